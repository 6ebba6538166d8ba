// JSON-RPC methods of model/*, config/* and ops/*. Lives on the loop thread.
#pragma once

#include <functional>
#include <memory>

#include "daemon/protocol/model.h"
#include "jsonrpc/dispatcher.h"
#include "service/metrics.h"
#include "service/model_catalog.h"

namespace hearth {

class SystemMethods {
 public:
  struct Services {
    ModelCatalog& catalog;
    engine::EngineClient& engine;
    const Metrics& metrics;
    router::Ledger& ledger;
    std::function<std::shared_ptr<const Config>()> config;
    std::function<Result<>()> reload_config;
    std::function<Result<std::string>()> rotate_token;
    std::function<void()> reload_tokens;
    std::function<void(bool drain)> shut_down;
    std::function<size_t()> n_connections;
    std::function<std::vector<router::TargetStanding>()> standings;
    std::function<json::Object()> describe_methods;
    std::string version, url, socket;
  };

  explicit SystemMethods(Services services) : services_(std::move(services)) {}

  void bind(jsonrpc::Dispatcher& dispatcher);
  protocol::Health health() const;

 private:
  Task<Result<protocol::ModelList>> list_models(jsonrpc::Call, protocol::Empty);
  Task<Result<protocol::ModelLoaded>> load_model(jsonrpc::Call, protocol::ModelName name);
  Task<Result<protocol::Empty>> unload_model(jsonrpc::Call, protocol::ModelName name);
  Task<Result<protocol::EngineStats>> engine_stats(jsonrpc::Call, protocol::Empty);
  Task<Result<protocol::ConfigText>> get_config(jsonrpc::Call, protocol::Empty);
  Task<Result<protocol::ConfigText>> reload_config(jsonrpc::Call, protocol::Empty);
  Task<Result<protocol::Health>> get_health(jsonrpc::Call, protocol::Empty);
  Task<Result<protocol::MetricsText>> get_metrics(jsonrpc::Call, protocol::Empty);
  Task<Result<protocol::Protocol>> get_protocol(jsonrpc::Call, protocol::Empty);
  Task<Result<protocol::Empty>> shut_down(jsonrpc::Call, protocol::Shutdown how);
  Task<Result<protocol::TokenRotated>> rotate_token(jsonrpc::Call, protocol::Empty);
  Task<Result<protocol::Empty>> reload_tokens(jsonrpc::Call, protocol::Empty);
  Task<Result<protocol::Empty>> settle(jsonrpc::Call, protocol::LedgerSettle settle);

  // A target's or alias's name -> the engine's model.
  Result<engine::ModelSpec> spec_of(const std::string& name);
  protocol::ConfigText config_text() const;
  protocol::Spending money() const;

  Services services_;
};

}  // namespace hearth
