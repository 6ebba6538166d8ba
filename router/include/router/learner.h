// What the router remembers between requests, and what it makes of it for the next one: where
// conversations stand and who has read them, how long and how good answers were, what trials cost.
//
// No text is kept: of a conversation it holds digests of messages and their sizes, of a request the
// hashed words that the estimator weighs. Memory is bounded: the conversation that was silent
// longest goes first. Lives on the loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "router/decision.h"
#include "router/estimator.h"
#include "router/exploration_account.h"
#include "router/policy.h"
#include "router/provider.h"
#include "router/stored_decision.h"

namespace hearth::router {

// How far forecasts lay from what came, over the last hundreds of answers.
struct ForecastError {
  double n = 0;
  double squared_cost = 0, squared_seconds = 0;  // relative errors, squared
  double squared_quality = 0, n_judged = 0;
  double cost() const;  // root mean square of relative errors
  double seconds() const;
  double quality() const;
};

// Uniform in [0, 1), from the machine.
double machine_chance();

class Learner {
 public:
  // `random` is uniform in [0, 1).
  explicit Learner(std::function<double()> random);
  ~Learner();

  // Before the decision: the request's class, where its conversation stands, what may be risked.
  void prepare(const Policy& policy, RouteRequest& request, int64_t now_ms);
  // What is believed of each target for it. `states` runs parallel to the policy's targets.
  void foresee(const Policy& policy, const RequestFacts& facts, std::vector<TargetState>& states);
  void decided(const Policy& policy, const DecisionRecord& record);
  void ended(const DecisionRecord& record, const Answer& answer, int64_t now_ms);
  // By a verifier, a judge, a user: 0..1. Unknown ids are passed over.
  void judged(const std::string& decision_id, double quality);

  // At the start: what the ledger still knows. Words are lost then, sizes and kinds are not.
  void recall(const StoredDecision& decision);

  const std::map<std::string, ForecastError>& forecast_errors() const { return errors_; }

 private:
  struct Memory;
  std::function<double()> random_;
  std::map<std::string, ForecastError> errors_;  // by target
  std::unique_ptr<Memory> memory_;
};

}  // namespace hearth::router
