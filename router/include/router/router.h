// The router: decides where a request goes, sends it there, records why.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "inference/completion.h"
#include "router/account.h"
#include "router/decision.h"
#include "router/decision_log.h"
#include "router/labeller.h"
#include "router/policy.h"
#include "router/provider.h"
#include "router/standing.h"
#include "support/clock.h"
#include "support/task.h"

namespace hearth::router {

// Lives on the loop thread. Told right before a request goes to a target that is not the engine,
// so that what leaves can be written down with its labels and sources; an error keeps it from being
// sent.
class EgressWatch {
 public:
  virtual ~EgressWatch() = default;
  virtual Result<> sending(const DecisionRecord& record, const Target& target,
                           const Manifest& manifest) = 0;
};

// The seam that sessions and served wires stand on; tests script it.
class Completer {
 public:
  virtual ~Completer() = default;

  // Decides, calls on_decision (also for a refusal), then streams deltas and returns the answer.
  // When another target is to answer than was said last (the decided one failed, was too slow, or
  // gave what did not pass), on_decision is called again, with that one's name, model and reason,
  // before anything of its answer is heard. Cancelling the awaiting task stops the provider.
  virtual Task<Answer> complete(RouteRequest request, DeltaSink sink,
                                std::function<void(const Decision&)> on_decision) = 0;
};

// completer.complete(), with an exception as an Error: for who races it or must always see an end.
Task<Answer> answer_of(Completer& completer, RouteRequest request, DeltaSink sink,
                       std::function<void(const Decision&)> on_decision);

// Told before anything of an answer is heard of another target than was told last; absent: it is of
// the decision's own.
using OnStandIn = std::function<void(std::optional<StandIn>)>;

class Dispatcher;
class KeepAlive;
class Learner;

// Lives on the loop thread. What it is made with outlives it.
class Router : public Completer {
 public:
  struct Services {
    std::function<Provider&(TargetKind kind)> provider;
    // The policy in force now; a request keeps the one that it was decided by.
    std::function<std::shared_ptr<const Policy>()> policy;
    DecisionLog& log;
    Labeller* labeller = nullptr;   // null: labels come from sources and headers alone
    EgressWatch* egress = nullptr;  // null: nobody asks
    Account* account = nullptr;     // null: nothing is counted and no budget holds
    Clock& clock = machine_clock();
    std::function<double()> random = {};  // uniform in [0, 1); absent: from the machine
    Learner* learner = nullptr;           // null: nothing is remembered between requests
  };

  explicit Router(Services services);
  ~Router() override;

  Task<Answer> complete(RouteRequest request, DeltaSink sink,
                        std::function<void(const Decision&)> on_decision) override;

  // What a verifier, a judge or a user says of an answer, 0..1.
  void judged(const std::string& decision_id, double quality);

  // How the policy's targets have been doing.
  std::vector<TargetStanding> standings() const;

  // Ends what runs beside requests; before this dies.
  Task<> join();

 private:
  // The request is gone when the answer streams.
  Task<Answer> decide_and_answer(std::unique_ptr<RouteRequest> request, DeltaSink sink,
                                 std::function<void(const Decision&)> on_decision);
  int64_t now_ms() const;
  DecisionRecord decide_on(const RouteRequest& request,
                           const std::shared_ptr<const Policy>& policy);
  DecisionRecord take_spare();
  // Decides again until a target is left or the deadline has passed. Both outlive it.
  Task<> wait_for_target(const RouteRequest& request, DecisionRecord& record,
                         std::shared_ptr<const Policy> policy);
  // The steps of a cascade, each carried out and verified.
  Task<Answer> climb(const DecisionRecord& record, std::vector<std::string> steps,
                     std::shared_ptr<const Policy> policy, RouteRequest request, DeltaSink sink,
                     OnStandIn on_stand_in);
  Task<Answer> carry_out(const DecisionRecord& record, std::shared_ptr<const Policy> policy,
                         RouteRequest request, DeltaSink sink, OnStandIn on_stand_in,
                         bool is_seen = true);
  // With the class and the wait of what stopped the targets that were meant.
  Failure refusal_of(const DecisionRecord& record, const Policy& policy) const;

  Services services_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<KeepAlive> keep_alive_;
  std::shared_ptr<const Policy> hashed_;  // the policy that hash_ is of
  std::string hash_;
  std::vector<DecisionRecord> spare_;  // of requests that are over, for their room
};

// What the router reads off a request: labels of its blocks, needs, size. Fills request.facts, and
// the labels of the blocks.
void read_facts(const Policy& policy, RouteRequest& request);

// Characters over four: good enough to filter and to forecast, never used to refuse locally.
uint64_t estimate_tokens(const CompletionRequest& request);

}  // namespace hearth::router
