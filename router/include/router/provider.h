// A way to have a request answered: the local engine, remote APIs.
#pragma once

#include "inference/completion.h"
#include "router/decision.h"
#include "router/policy.h"
#include "support/task.h"

namespace hearth::router {

struct RouteRequest {
  RequestFacts facts;
  CompletionRequest body;
};

// Serves every target of its kind; stateless between requests but for its connections. Lives on the
// loop thread.
class Provider {
 public:
  virtual ~Provider() = default;

  // How things stand with a target, for the decision. Asks nobody and waits for nobody.
  virtual TargetState state(const Target& target) const = 0;

  // Streams deltas, then gives the answer. What the target cannot honour is Errc::unsupported.
  // Cancelling the awaiting task stops the work.
  virtual Task<Answer> complete(const Target& target, RouteRequest request, DeltaSink sink) = 0;
};

}  // namespace hearth::router
