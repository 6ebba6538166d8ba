// What another policy would have made of the decisions in the log: counterfactual replay.
//
// Each logged request is decided again, in the order of time, by the same decide(). What a decision
// rests on is not taken from the log where the new policy would have changed it: which target a
// conversation was at and what of it lay in whose cache, and what budgets had spent, are simulated
// along the new policy's own choices. Money and time are what was measured where the choice is the
// logged one in the same state of the cache, else the forecast, with the answer's length as it
// was.
//
// Quality cannot be simulated. It is estimated from the answers that were judged, each weighed by
// the chance with which it had been chosen (inverse propensity), and with the forecast as control
// variate (doubly robust); where the new policy chooses what the log never could have, or too few
// speak, it is not estimable, and the report says so.
//
// Sources: Dudik, Langford, Li, "Doubly robust policy evaluation and learning", 2011; Swaminathan
// and Joachims, "The self-normalized estimator for counterfactual learning", 2015. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "router/policy.h"
#include "router/stored_decision.h"

namespace hearth::router {

struct ReplayOptions {
  uint64_t seed = 1;
  int n_resamples = 1000;
};

// A sum over decisions, with the 95 % interval of a bootstrap over pairs for the difference.
struct ReplayedAmount {
  double logged = 0, replayed = 0;
  double difference = 0, low = 0, high = 0;
  static void fields(auto& self, auto&& field) {
    field("logged", self.logged);
    field("replayed", self.replayed);
    field("difference", self.difference);
    field("low", self.low);
    field("high", self.high);
  }
};

struct ReplayedQuality {
  bool is_estimable = false;
  std::string why_not;
  uint64_t n_judged = 0;
  double overlap = 0;           // share of them whose new choice the log could have made
  double effective_sample = 0;  // so many decisions speak as loud as the weighted ones
  double logged = 0;            // means
  double inverse_propensity = 0;
  double doubly_robust = 0, low = 0, high = 0;  // of doubly_robust
  static void fields(auto& self, auto&& field) {
    field("estimable", self.is_estimable);
    field("whyNot", self.why_not);
    field("judged", self.n_judged);
    field("overlap", self.overlap);
    field("effectiveSample", self.effective_sample);
    field("logged", self.logged);
    field("inversePropensity", self.inverse_propensity);
    field("doublyRobust", self.doubly_robust);
    field("low", self.low);
    field("high", self.high);
  }
};

struct ReplayedBudget {
  std::string scope;
  double limit_usd = 0;
  double most_spent_usd = 0;  // within one period
  uint64_t n_refused = 0;     // decisions for which it held too little
  static void fields(auto& self, auto&& field) {
    field("scope", self.scope);
    field("limitUsd", self.limit_usd);
    field("mostSpentUsd", self.most_spent_usd);
    field("refused", self.n_refused);
  }
};

struct ReplayReport {
  std::string policy, policy_hash;
  uint64_t n_decisions = 0, n_moved = 0, n_refused = 0, n_logged_refused = 0;
  uint64_t n_switches = 0, n_logged_switches = 0;  // between two requests of a conversation
  ReplayedAmount cost_usd, seconds;
  ReplayedQuality quality;
  std::vector<ReplayedBudget> budgets;
  std::map<std::string, uint64_t> chosen, logged_chosen;  // by "sonnet", "sonnet at high"
  std::vector<std::string> unknown_targets;  // of the new policy, never in the log: forecasts alone
  static void fields(auto& self, auto&& field) {
    field("policy", self.policy);
    field("policyHash", self.policy_hash);
    field("decisions", self.n_decisions);
    field("moved", self.n_moved);
    field("refused", self.n_refused);
    field("loggedRefused", self.n_logged_refused);
    field("switches", self.n_switches);
    field("loggedSwitches", self.n_logged_switches);
    field("costUsd", self.cost_usd);
    field("seconds", self.seconds);
    field("quality", self.quality);
    field("budgets", self.budgets);
    field("chosen", self.chosen);
    field("loggedChosen", self.logged_chosen);
    field("unknownTargets", self.unknown_targets);
  }
};

// Takes decisions one by one, so that a log need not fit into memory.
class Replay {
 public:
  Replay(Policy policy, ReplayOptions options);
  ~Replay();

  // In the order of time.
  void add(const StoredDecision& logged);
  ReplayReport report() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hearth::router
