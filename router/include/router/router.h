// The router: decides where a request goes, sends it there, records why.
//
// Lives on the loop thread. Encloses its providers; the EngineClient outlives it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "inference/completion.h"
#include "inference/engine_client.h"
#include "router/decision.h"
#include "router/policy.h"
#include "support/result.h"
#include "support/task.h"

namespace hearth::router {

struct RouteRequest {
  RequestFacts facts;
  CompletionRequest body;
};

// Numbers that a wire must state with context_exceeded.
using Refusal = engine::EngineClient::Refusal;

// The seam that sessions and served wires stand on; tests script it.
class Completer {
 public:
  virtual ~Completer() = default;

  // Decides, calls on_decision once (also for a refusal and an unknown model), then streams deltas and returns the
  // answer. Cancelling the awaiting task stops the provider.
  // Errors: not_found for an unknown model, denied when policy leaves no target, else the provider's.
  virtual Task<Result<Completion>> complete(RouteRequest request, DeltaSink sink,
                                            std::function<void(const Decision&)> on_decision,
                                            Refusal* refusal = nullptr) = 0;
};

// A way to send a request: the local engine, a remote wire. One per target kind, stateless between
// requests but for its connections. Lives on the loop thread.
class Provider {
 public:
  virtual ~Provider() = default;
  virtual Task<Result<Completion>> complete(const Target& target, CompletionRequest request,
                                            DeltaSink sink, Refusal* refusal) = 0;
};

class Router : public Completer {
 public:
  struct Services {
    engine::EngineClient& engine;  // outlives the router, as `remote` does
    Provider& remote;
    // The policy in force now; a request keeps the one that it was decided by.
    std::function<std::shared_ptr<const Policy>()> policy;
    // An engine target's model as file and settings, at the moment of use.
    std::function<Result<engine::ModelSpec>(const std::string& model)> model_spec;
  };

  explicit Router(Services services) : services_(std::move(services)) {}

  Task<Result<Completion>> complete(RouteRequest request, DeltaSink sink,
                                    std::function<void(const Decision&)> on_decision,
                                    Refusal* refusal = nullptr) override;

 private:
  std::vector<TargetState> states(const Policy& policy) const;

  Services services_;
};

// Characters over four: good enough to filter and to forecast, never used to refuse locally.
uint64_t estimate_tokens(const CompletionRequest& request);

}  // namespace hearth::router
