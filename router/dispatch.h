// Carries a decision out: one target after the other until one answers.
//
// Each attempt is reserved for before a byte leaves, settled when it is over, however it ends, and
// told to the log. After a failure its remedy says who is asked next: the same target again after a
// wait, the next one of the decision's list at once, nobody. What a client has seen is never taken
// back: after the first word of an answer, or the first piece of a call, no other attempt is made,
// so that no call can run twice and no text is said twice. Thoughts alone may be thought again.
//
// Attempts are bounded in number and in time, for each request and for each target. Time and chance
// are services, so that all of it runs on a simulated clock. Lives on the loop thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "health.h"
#include "router/account.h"
#include "router/decision.h"
#include "router/policy.h"
#include "router/provider.h"
#include "router/router.h"
#include "support/clock.h"

namespace hearth::router {

class Dispatcher {
 public:
  struct Services {
    std::function<Provider&(TargetKind kind)> provider;
    Account* account;     // null: nothing is counted
    EgressWatch* egress;  // null: nobody asks
    Clock& clock;
    std::function<double()> random;  // uniform in [0, 1)
  };
  explicit Dispatcher(Services services)
      : services_(services), health_(services.clock, services.random) {}

  // `record` outlives the task.
  struct Order {
    std::shared_ptr<const Policy> policy;
    const DecisionRecord& record;
    RouteRequest request;
    DeltaSink sink;
    std::function<void(const AttemptRecord&)> on_attempt;
  };
  Task<Answer> carry_out(Order order);

  Health& health() { return health_; }
  const Health& health() const { return health_; }

 private:
  class Run;

  Services services_;
  Health health_;
};

}  // namespace hearth::router
