#include "router/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "cache_memory.h"
#include "decide.h"
#include "providers/table.h"
#include "random.h"
#include "router/budget.h"
#include "router/effort.h"
#include "router/explain.h"
#include "router/money.h"
#include "router/policy_file.h"

namespace hearth::router {

namespace {

constexpr double kLeastOverlap = 0.9, kLeastSample = 30;

// Where a conversation stands along the new policy's choices.
struct Conversation {
  std::string target;
  std::string logged_target;
  std::optional<Effort> effort;
  bool is_as_logged = true;
  uint32_t n_turns = 0, n_held = 0;
  double spent_usd = 0, switching_usd = 0;
  struct Read {
    uint64_t n_tokens = 0;  // 0: never
    int64_t time_ms = 0;
    std::optional<Effort> effort;
  };
  std::vector<Read> read;  // by target of the policy
};

ReplayedAmount amount_of(const std::vector<float>& logged, const std::vector<float>& replayed,
                         const ReplayOptions& options) {
  ReplayedAmount out;
  const size_t n = logged.size();
  for (size_t i = 0; i < n; ++i) {
    out.logged += logged[i];
    out.replayed += replayed[i];
  }
  out.difference = out.replayed - out.logged;
  Random random(options.seed);
  std::vector<double> sums;
  for (int i = 0; i < options.n_resamples && n > 0; ++i) {
    double sum = 0;
    for (size_t k = 0; k < n; ++k) {
      const size_t at = random.below(n);
      sum += replayed[at] - logged[at];
    }
    sums.push_back(sum);
  }
  if (sums.empty()) return out;
  std::ranges::sort(sums);
  auto quantile = [&](double q) {
    return sums[static_cast<size_t>(q * static_cast<double>(sums.size() - 1))];
  };
  out.low = quantile(0.025);
  out.high = quantile(0.975);
  return out;
}

// The answer as long as it was; with more thoughts or fewer as is usual between the two.
void set_length(const Target& target, TargetState& state, uint32_t n_output,
                std::optional<Effort> effort) {
  const auto n = static_cast<double>(n_output);
  state.belief.n_output = {n, 0};
  for (EffortState& level : state.efforts) {
    const double factor =
        thought_factor(level.effort) / thought_factor(effort.value_or(Effort::medium));
    const bool is_as_it_was = effort == level.effort || target.efforts.empty();
    level.belief.n_output = {is_as_it_was ? n : n * factor, 0};
  }
}

}  // namespace

struct Replay::State {
  Policy policy;
  ReplayOptions options;
  ReplayReport report;
  std::map<std::string, Conversation> conversations;
  CacheMemory caches;
  Spending spending;
  std::vector<float> logged_usd, replayed_usd, logged_s, replayed_s;
  std::vector<bool> is_met;   // in the log; by target of the policy
  std::vector<double> later;  // the chance that a cache holds until the next request; likewise
  // Of judged answers.
  double weights = 0, squared_weights = 0, weighted_quality = 0, logged_quality = 0;
  uint64_t n_overlap = 0;
  std::vector<float> robust;
  // The decision that is made again, in the room of the one before it.
  RequestFacts facts;
  std::vector<TargetState> states;
  Decision now;

  Conversation* conversation_of(const std::string& session) {
    if (session.empty()) return nullptr;
    Conversation& at = conversations[session];
    at.read.resize(policy.targets.size());
    return &at;
  }
  void meet(const Decision& logged);
  void set_states(const StoredDecision& logged, const Conversation* at);
  void hold_budgets(int64_t now_ms);
  void judge(const StoredDecision& logged);
};

void Replay::State::meet(const Decision& logged) {
  const auto& candidates = logged.candidates;
  for (size_t i = 0; i < is_met.size(); ++i) {
    if (is_met[i]) continue;
    is_met[i] = std::ranges::count(candidates, policy.targets[i].name, &Candidate::target) > 0;
  }
}

void Replay::State::set_states(const StoredDecision& logged, const Conversation* at) {
  const DecisionRecord& record = logged.record;
  states_for(record, policy, states);
  for (size_t i = 0; i < states.size(); ++i) {
    const Target& target = policy.targets[i];
    TargetState& state = states[i];
    state.means = {};
    make_levels(facts, policy, target, state);
    for (EffortState& level : state.efforts) level.needed = 0;
    if (logged.outcome && !logged.outcome->failed_as)
      set_length(target, state, logged.outcome->usage.n_completion,
                 answered_effort(
                     record, record.stand_in ? record.stand_in->target : record.decision.target));
    if (!at) continue;
    const Conversation::Read& read = at->read[i];
    Warmth warm{0, 0, later[i]};
    if (read.n_tokens > 0) {
      warm.n_tokens = std::min(read.n_tokens, record.facts.n_prompt_estimate);
      warm.chance =
          target.kind == TargetKind::engine
              ? 0.9
              : caches.chance(target.provider, record.time_ms - read.time_ms, target.cache_life_s);
    }
    state.warm = warm;
    if (state.efforts.empty()) continue;
    // What of it instructions were, nobody wrote down.
    const bool keeps = row_of(target.provider).quirks.effort_keeps == EffortKeeps::prompt;
    for (EffortState& level : state.efforts) {
      level.warm = warm;
      if (!keeps && level.effort != read.effort) level.warm.n_tokens = 0;
    }
  }
}

// What the new policy's budgets would hold, had it been in force.
void Replay::State::hold_budgets(int64_t now_ms) {
  if (policy.budgets.empty()) return;
  Party party{facts.session, facts.project, facts.token, "", facts.task};
  for (size_t i = 0; i < states.size(); ++i) {
    const Target& target = policy.targets[i];
    if (!target.price) continue;
    const uint64_t n_output = facts.max_tokens ? facts.max_tokens : 400;
    const PicoUsd needed =
        worst_bill(facts.n_prompt_estimate, n_output, false, *target.price, now_ms);
    if (needed == PicoUsd()) continue;
    party.target = target.name;
    Means tightest;
    for (const Budget& budget : policy.budgets) {
      if (!budget.is_hard) continue;
      const auto sums = spending.sums(budget, party, now_ms);
      if (!sums) continue;
      const int64_t left = budget.limit().pico() - sums->spent.pico();
      if (!tightest.budget.empty() && left >= tightest.limit - tightest.spent) continue;
      tightest = {needed.pico(),         budget.scope,       std::string(period_words(budget.per)),
                  budget.limit().pico(), sums->spent.pico(), 0};
    }
    states[i].means = tightest;
    for (EffortState& level : states[i].efforts) {
      const double n_usual =
          static_cast<double>(n_output) * (facts.max_tokens ? 1 : thought_factor(level.effort));
      level.needed = worst_bill(facts.n_prompt_estimate, static_cast<uint64_t>(n_usual), false,
                                *target.price, now_ms)
                         .pico();
    }
  }
}

void Replay::State::judge(const StoredDecision& logged) {
  // A verdict on whoever stood in says nothing of what was decided.
  if (!logged.quality || logged.record.decision.target.empty() || logged.record.stand_in) return;
  ReplayedQuality& quality = report.quality;
  const Decision& then = logged.record.decision;
  const Candidate* was = find_candidate(then, then.target, then.effort);
  const bool is_same = is_same_choice(then, now, policy);
  const Candidate* is = is_same ? was : find_candidate(then, now.target, now.effort);
  if (!was) return;
  ++quality.n_judged;
  logged_quality += *logged.quality;
  n_overlap += is && is->propensity > 0;
  const double weight = is_same ? 1 / std::max(was->propensity, 0.01) : 0;
  weights += weight;
  squared_weights += weight * weight;
  weighted_quality += weight * *logged.quality;
  const double foretold = is ? is->quality : was->quality;
  robust.push_back(static_cast<float>(foretold + weight * (*logged.quality - was->quality)));
}

Replay::Replay(Policy policy, ReplayOptions options) : state_(new State) {
  state_->report.policy = policy.name;
  state_->report.policy_hash = policy_hash(policy);
  for (const Budget& budget : policy.budgets)
    state_->report.budgets.push_back({budget.scope, budget.limit().usd(), 0, 0});
  state_->policy = std::move(policy);
  state_->options = options;
  state_->is_met.resize(state_->policy.targets.size());
  for (const Target& target : state_->policy.targets)
    state_->later.push_back(state_->caches.chance(target.provider, 60'000, target.cache_life_s));
}
Replay::~Replay() = default;

void Replay::add(const StoredDecision& logged) {
  State& s = *state_;
  const DecisionRecord& record = logged.record;
  const Decision& was = record.decision;
  s.meet(was);

  RequestFacts& facts = s.facts;
  facts = record.facts;
  facts.exploration.reset();  // a trial is no policy
  if (facts.time_ms == 0) facts.time_ms = record.time_ms;
  Conversation* at = s.conversation_of(facts.session);
  s.set_states(logged, at);
  s.hold_budgets(record.time_ms);
  if (at && at->n_turns > 0) {
    Past past = facts.past.value_or(Past{});
    past.target = at->target;
    past.effort = at->effort;
    past.n_turns = at->n_turns;
    past.n_held = at->n_held;
    past.spent_usd = at->spent_usd;
    past.switching_usd = at->switching_usd;
    facts.past = past;
  } else {
    facts.past.reset();
  }
  Decision& now = s.now;
  decide(facts, s.policy, s.states, now);

  const bool is_same = is_same_choice(was, now, s.policy);
  // What it comes to. Measured where all is as it was.
  ReplayReport& report = s.report;
  ++report.n_decisions;
  report.n_logged_refused += was.target.empty();
  if (!was.target.empty()) ++report.logged_chosen[level_name(was.target, was.effort)];
  const double logged_usd = logged.cost.usd();
  const double logged_s = logged.outcome ? logged.outcome->latency_ms / 1000 : 0;
  double usd = 0, seconds = 0;
  if (now.target.empty()) {
    ++report.n_refused;
    if (now.refused_as == Errc::over_budget)
      for (const TargetState& state : s.states)
        for (ReplayedBudget& budget : report.budgets)
          if (budget.scope == state.means.budget) {
            ++budget.n_refused;
            goto counted;
          }
  counted:;
  } else {
    ++report.chosen[level_name(now.target, now.effort)];
    const auto i = static_cast<size_t>(
        std::ranges::find(s.policy.targets, now.target, &Target::name) - s.policy.targets.begin());
    const Candidate& candidate = *find_candidate(now, now.target, now.effort);
    const bool is_as_it_was = is_same && (!at || at->is_as_logged);
    usd = is_as_it_was ? logged_usd : candidate.cost_usd;
    seconds = is_as_it_was ? logged_s : candidate.latency_ms / 1000;
    if (!s.policy.budgets.empty()) {
      const Party party{facts.session, facts.project, facts.token, now.target, facts.task};
      s.spending.add(party, record.time_ms, {PicoUsd::from_usd(usd), PicoUsd()});
      for (size_t b = 0; b < s.policy.budgets.size(); ++b)
        if (auto sums = s.spending.sums(s.policy.budgets[b], party, record.time_ms))
          report.budgets[b].most_spent_usd =
              std::max(report.budgets[b].most_spent_usd, sums->spent.usd());
    }
    if (at) {
      const bool is_switch = at->n_turns > 0 && at->target != now.target;
      report.n_switches += is_switch;
      report.n_logged_switches += at->n_turns > 0 && at->logged_target != was.target;
      at->n_held = is_switch ? 0 : at->n_held + 1;
      if (is_switch) at->switching_usd += std::max(0.0, candidate.cost_usd - candidate.later_usd);
      ++at->n_turns;
      at->spent_usd += usd;
      at->target = now.target;
      at->logged_target = was.target;
      at->effort = now.effort;
      at->is_as_logged = is_same;
      at->read[i] = {facts.n_prompt_estimate, record.time_ms, now.effort};
    }
  }
  report.n_moved += !is_same;
  s.logged_usd.push_back(static_cast<float>(logged_usd));
  s.replayed_usd.push_back(static_cast<float>(usd));
  s.logged_s.push_back(static_cast<float>(logged_s));
  s.replayed_s.push_back(static_cast<float>(seconds));
  s.judge(logged);
}

ReplayReport Replay::report() const {
  const State& s = *state_;
  ReplayReport report = s.report;
  report.cost_usd = amount_of(s.logged_usd, s.replayed_usd, s.options);
  report.seconds = amount_of(s.logged_s, s.replayed_s, s.options);
  for (size_t i = 0; i < s.is_met.size(); ++i)
    if (!s.is_met[i]) report.unknown_targets.push_back(s.policy.targets[i].name);

  ReplayedQuality& quality = report.quality;
  const auto n = static_cast<double>(quality.n_judged);
  if (quality.n_judged == 0) {
    quality.why_not = "no answer in the log was judged";
    return report;
  }
  quality.logged = s.logged_quality / n;
  quality.overlap = static_cast<double>(s.n_overlap) / n;
  quality.effective_sample = s.squared_weights > 0 ? s.weights * s.weights / s.squared_weights : 0;
  quality.inverse_propensity = s.weights > 0 ? s.weighted_quality / s.weights : 0;
  double squares = 0;
  for (float value : s.robust) quality.doubly_robust += value / n;
  for (float value : s.robust) squares += std::pow(value - quality.doubly_robust, 2);
  const double error = 1.96 * std::sqrt(squares / n / n);
  quality.low = quality.doubly_robust - error;
  quality.high = quality.doubly_robust + error;
  if (quality.overlap < kLeastOverlap)
    quality.why_not = fmt::format(
        "for {:.0f} % of the judged requests the policy chooses what the log never would have; "
        "[explore] or `hearth route trial` makes it known",
        100 * (1 - quality.overlap));
  else if (quality.effective_sample < kLeastSample)
    quality.why_not = fmt::format("the judged answers weigh as much as {:.1f}, {:.0f} are needed",
                                  quality.effective_sample, kLeastSample);
  quality.is_estimable = quality.why_not.empty();
  return report;
}

}  // namespace hearth::router
