// Carries a decision out: one target after the other until one answers.
//
// Each attempt is reserved for before a byte leaves, settled when it is over, however it ends, and
// told to the log. After a failure its remedy says who is asked next: the same target again after a
// wait, the next one of the decision's list at once, nobody. What a client has seen is never taken
// back: after the first word of an answer, or the first piece of a call, no other attempt is made,
// so that no call can run twice and no text is said twice. Thoughts alone may be thought again.
//
// Where the decision allows it and the target is known for slow first words, a second one is asked
// beside it (race.h); who speaks first answers, the other is cancelled and paid for.
//
// Attempts are bounded in number and in time, for each request and for each target. Time and chance
// are services, so that all of it runs on a simulated clock. Lives on the loop thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "health.h"
#include "pool.h"
#include "router/account.h"
#include "router/decision.h"
#include "router/policy.h"
#include "router/provider.h"
#include "router/router.h"
#include "support/clock.h"
#include "support/task_group.h"

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
      : services_(services), health_(services.clock, services.random), pools_(services.clock) {}

  // `record` outlives the task; its facts are the request's.
  struct Order {
    std::shared_ptr<const Policy> policy;
    const DecisionRecord& record;
    std::unique_ptr<RouteRequest> request;
    DeltaSink sink;
    std::function<void(const AttemptRecord&)> on_attempt;
    OnStandIn on_stand_in = {};
    bool is_seen = true;  // by a client, word by word; else a broken answer may be begun anew
  };
  Task<Answer> carry_out(Order order);

  // How things stand with a target, for decide(): of a pool, with the server that is free first.
  void look(const Policy& policy, const Target& target, const RequestFacts& facts,
            TargetState& state) const;
  // What keeps this one from being asked for longer than a request waits: what it said when it was
  // last asked, and the wait as it is now. Nothing of an engine or a pool.
  std::optional<Failure> stopped(const Policy& policy, const Target& target,
                                 const RequestFacts& facts) const;
  // A row for each target, for each server of a pool.
  std::vector<TargetStanding> standings(const Policy& policy) const;

  // Ends what runs beside requests. Before this dies, once a pool was used.
  Task<> join();

 private:
  class Run;

  // Second legs stay a small part of all requests and of all that is spent.
  bool may_hedge(double expected_usd, uint32_t max_pct) const;
  void note_spent(PicoUsd cost, bool is_hedge);

  void look_at_servers(const Target& pool, net::any_io_executor executor);
  Task<> look_at(Target server);

  Services services_;
  Health health_;
  Pools pools_;
  std::unique_ptr<TaskGroup> looks_;
  uint64_t n_requests_ = 0, n_hedges_ = 0;
  PicoUsd spent_, spent_on_hedges_;
};

}  // namespace hearth::router
