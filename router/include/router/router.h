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

  // Decides, calls on_decision once (also for a refusal), then streams deltas and returns the
  // answer. Cancelling the awaiting task stops the provider.
  // Errors: not_found for an unknown model, denied when policy leaves no target, else the provider's.
  virtual Task<Result<Completion>> complete(RouteRequest request, DeltaSink sink,
                                            std::function<void(const Decision&)> on_decision,
                                            Refusal* refusal = nullptr) = 0;
};

}  // namespace hearth::router
