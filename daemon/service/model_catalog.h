// Which models there are: those of the store and those of the config, as targets for the router
// and as specs for the engine.
//
// Lives on the loop thread. Watches the store by its folder's time, so that a model pulled while
// the daemon runs is a target from the next request on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "inference/engine_client.h"
#include "models/store.h"
#include "net/client_tokens.h"
#include "router/policy.h"

namespace hearth {

class ModelCatalog {
 public:
  ModelCatalog(models::Store store, std::shared_ptr<const Config> config);

  // The config's policy plus what it leaves out: a target "local" (the default model, else the
  // first one pulled) unless the config has one, and a target of its own name for every model.
  std::shared_ptr<const router::Policy> policy();

  // not_found says which models exist and how to get one.
  Result<engine::ModelSpec> spec(const std::string& model);

  // What a client means by the name that it asks for: a target's own name means that target, any
  // other one what [alias] says, else itself.
  std::string resolve(const std::string& model);
  // resolve(), for a name that the router would not refuse as unknown; its words when it would.
  Result<std::string> resolve_known(const std::string& model);
  // Names of [alias] that stand for themselves, without '*'.
  std::vector<std::string> aliases() const;

  const std::vector<models::StoredModel>& stored();
  void set_config(std::shared_ptr<const Config> config);
  // What named tokens may spend, beside the policy's own budgets.
  void set_token_budgets(const transport::ClientTokens::List& clients);

 private:
  void refresh();

  models::Store store_;
  std::shared_ptr<const Config> config_;
  std::vector<router::Budget> token_budgets_;
  int64_t store_time_ns_ = -1;
  std::vector<models::StoredModel> stored_;
  std::shared_ptr<const router::Policy> policy_;
};

}  // namespace hearth
