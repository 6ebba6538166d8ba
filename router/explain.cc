#include "router/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <cmath>
#include <functional>
#include <string_view>
#include <tuple>
#include <utility>

#include "decide.h"
#include "router/effort.h"
#include "router/ledger.h"
#include "router/money.h"
#include "router/policy_file.h"
#include "score.h"

namespace hearth::router {

namespace {

// A decision's inputs, to be changed one at a time.
struct Case {
  RequestFacts facts;
  Policy policy;
  std::vector<TargetState> states;
};

void set_value(Case& at, double Value::* what, std::optional<double> TaskRule::* of_class,
               double to) {
  at.policy.value.*what = to;
  for (auto& [task, rule] : at.policy.tasks) (rule.*of_class).reset();
}

// One thing that can be changed: from what it is, up or down towards a bound.
struct Knob {
  std::string_view what;
  double now = 0, bound = 0;
  std::function<void(Case&, double)> set;
  std::function<std::string(double)> in_words;  // "a minute is worth more than $0.12"
};

// Who is asked, and how hard to think.
struct Winner {
  std::string target;
  std::optional<Effort> effort;
  explicit Winner(const Decision& decision) : target(decision.target), effort(decision.effort) {}
  bool operator==(const Winner&) const = default;
  std::string name() const { return level_name(target, effort); }
};

Winner winner(const Case& at, const Knob& knob, double value) {
  Case changed = at;
  knob.set(changed, value);
  return Winner(decide(changed.facts, changed.policy, changed.states));
}

// From near to far in steps that grow, then by halves.
std::optional<Flip> find_flip(const Case& at, const Winner& now, const Knob& knob) {
  constexpr int kSteps = 24, kHalvings = 24;
  const double reach = knob.bound - knob.now;
  double inside = knob.now;
  for (int step = 1; step <= kSteps; ++step) {
    const double part = std::pow(10, -6.0 * (kSteps - step) / kSteps);
    double outside = knob.now + part * reach;
    if (winner(at, knob, outside) == now) {
      inside = outside;
      continue;
    }
    for (int i = 0; i < kHalvings; ++i) {
      const double middle = (inside + outside) / 2;
      (winner(at, knob, middle) == now ? inside : outside) = middle;
    }
    const Winner then = winner(at, knob, outside);
    Flip flip{then.target, then.effort, std::string(knob.what), knob.now, outside, ""};
    flip.text = flip.target.empty()
                    ? fmt::format("nobody is left if {}", knob.in_words(outside))
                    : fmt::format("{} wins if {}", then.name(), knob.in_words(outside));
    return flip;
  }
  return std::nullopt;
}

std::string dollars(double usd) { return in_words(PicoUsd::from_usd(usd)); }

std::vector<Knob> knobs_of(const Case& at, const Value& value, size_t chosen,
                           std::optional<Effort> effort) {
  const std::string name = at.policy.targets[chosen].name;
  auto set_minute = [](Case& c, double to) {
    set_value(c, &Value::minute_usd, &TaskRule::minute_usd, to);
  };
  auto set_success = [](Case& c, double to) {
    set_value(c, &Value::success_usd, &TaskRule::success_usd, to);
  };
  auto set_prompt = [](Case& c, double to) {
    c.facts.n_prompt_estimate = static_cast<uint64_t>(to);
  };
  auto set_to_come = [](Case& c, double to) { c.facts.n_to_come = to; };
  auto set_chance = [chosen](Case& c, double to) {
    c.states[chosen].warm.chance = to;
    for (EffortState& level : c.states[chosen].efforts) level.warm.chance = to;
  };
  auto set_price = [chosen](Case& c, double to) {
    if (!c.policy.targets[chosen].price) return;
    Price& price = *c.policy.targets[chosen].price;
    price.rules.clear();
    price.input *= to;
    price.cached *= to;
    price.output *= to;
    if (price.cache_write) *price.cache_write *= to;
  };
  const double minute = value.minute_usd, success = value.success_usd;
  const auto n_prompt = static_cast<double>(at.facts.n_prompt_estimate);
  const double n_to_come = at.facts.n_to_come,
               chance = at_level(at.policy.targets[chosen], at.states[chosen], effort).warm.chance;
  std::vector<Knob> knobs;
  // auto:cheap, auto:fast and auto:best say themselves what counts.
  if (!at.facts.model.starts_with("auto:")) {
    auto more = [](std::string_view what, std::string_view how) {
      return
          [=](double to) { return fmt::format("{} is worth {} than {}", what, how, dollars(to)); };
    };
    knobs.push_back({"minute_usd", minute, 100, set_minute, more("a minute", "more")});
    knobs.push_back({"minute_usd", minute, 0, set_minute, more("a minute", "less")});
    knobs.push_back({"success_usd", success, 100, set_success, more("a right answer", "more")});
    knobs.push_back({"success_usd", success, 0, set_success, more("a right answer", "less")});
  }
  auto prompt = [](std::string_view how) {
    return [=](double to) { return fmt::format("the prompt has {} than {:.0f} tokens", how, to); };
  };
  knobs.push_back(
      {"prompt_tokens", n_prompt, std::max(2e6, 2 * n_prompt), set_prompt, prompt("more")});
  knobs.push_back({"prompt_tokens", n_prompt, 1, set_prompt, prompt("less")});
  auto to_come = [](std::string_view how) {
    return [=](double to) { return fmt::format("{} than {:.1f} requests follow", how, to); };
  };
  knobs.push_back({"requests_to_come", n_to_come, 200, set_to_come, to_come("more")});
  knobs.push_back({"requests_to_come", n_to_come, 0, set_to_come, to_come("fewer")});
  if (chance > 0)
    knobs.push_back({"cache_chance", chance, 0, set_chance, [name](double to) {
                       return fmt::format("{} still holds the prompt with a chance below {:.0f} %",
                                          name, 100 * to);
                     }});
  if (at.policy.targets[chosen].price)
    knobs.push_back({"price_factor", 1, 100, set_price, [name](double to) {
                       return fmt::format("{} costs {:.2f} times as much", name, to);
                     }});
  return knobs;
}

std::vector<Flip> flips_of(Case at, const Decision& logged) {
  at.facts.exploration.reset();
  const Decision again = decide(at.facts, at.policy, at.states);
  const Winner now(again);
  std::vector<Flip> flips;
  if (now.target.empty() || !is_same_choice(logged, again, at.policy)) return flips;
  const auto chosen = static_cast<size_t>(
      std::ranges::find(at.policy.targets, now.target, &Target::name) - at.policy.targets.begin());
  for (const Knob& knob : knobs_of(at, value_of(at.facts, at.policy), chosen, now.effort))
    if (knob.now != knob.bound)
      if (auto flip = find_flip(at, now, knob)) flips.push_back(std::move(*flip));
  at.states[chosen].down = "so it is supposed";
  const Winner next(decide(at.facts, at.policy, at.states));
  flips.push_back({next.target, next.effort, "down", 0, 1,
                   next.target.empty()
                       ? fmt::format("nobody is left if {} is down", now.target)
                       : fmt::format("{} wins if {} is down", next.name(), now.target)});
  return flips;
}

}  // namespace

void states_for(const DecisionRecord& record, const Policy& policy,
                std::vector<TargetState>& states) {
  boost::container::small_vector<std::string_view, 64> names;  // whose states they are
  for (const Candidate& candidate : record.decision.candidates)
    if (names.empty() || names.back() != candidate.target) names.push_back(candidate.target);
  names.resize(std::min(names.size(), record.states.size()));
  states.resize(policy.targets.size());
  for (size_t i = 0; i < states.size(); ++i) {
    const std::string& name = policy.targets[i].name;
    // Mostly it is the same policy.
    const auto at = i < names.size() && names[i] == name ? names.begin() + static_cast<long>(i)
                                                         : std::ranges::find(names, name);
    if (at != names.end())
      states[i] = record.states[static_cast<size_t>(at - names.begin())];
    else
      states[i] = {};
  }
}

Explanation explain(const DecisionRecord& record, const Policy& policy) {
  const RequestFacts& facts = record.facts;
  const Decision& decision = record.decision;
  std::vector<TargetState> states;
  states_for(record, policy, states);
  const Value value = value_of(facts, policy);
  Explanation out;
  out.decision = decision.id;
  out.request = facts.id;
  out.session = facts.session;
  out.time_ms = record.time_ms;
  out.policy_name = policy.name;
  out.policy_hash = record.policy_hash;
  out.task = facts.task;
  out.model = facts.model;
  out.n_prompt_tokens = facts.n_prompt_estimate;
  out.labels = facts.labels;
  out.label_causes = facts.label_causes;
  out.minute_usd = value.minute_usd;
  out.success_usd = value.success_usd;
  out.target = decision.target;
  out.effort = decision.effort;
  out.stand_in = record.stand_in;
  out.refused_as = decision.refused_as;
  out.reason = decision.reason;
  out.is_held = decision.is_held;
  out.is_exploring = decision.is_exploring;
  auto is_chosen = [&](const auto& each) {
    return each.target == decision.target && each.effort == decision.effort;
  };
  if (facts.exploration) out.draw = facts.exploration->draw;
  for (size_t i = 0; i < decision.candidates.size(); ++i) {
    const Candidate& candidate = decision.candidates[i];
    if (candidate.excluded_by) {
      out.removed.push_back({candidate.target, candidate.effort, *candidate.excluded_by});
      continue;
    }
    KeptTarget kept{candidate.target,
                    candidate.effort,
                    candidate.cost_usd,
                    candidate.later_usd,
                    candidate.latency_ms,
                    candidate.first_word_ms,
                    candidate.quality,
                    {},
                    candidate.utility_usd,
                    candidate.uncertainty_usd,
                    0,
                    candidate.propensity};
    if (const size_t place = place_of(decision, i); place < record.states.size()) {
      const TargetState& state = record.states[place];
      const EffortState* level = find_effort(state, candidate.effort);
      kept.cache = level ? level->warm : state.warm;
      kept.reserved_usd = PicoUsd(level ? level->needed : state.means.needed).usd();
    }
    if (is_chosen(candidate)) {
      out.reserved_usd = kept.reserved_usd;
      out.propensity = candidate.propensity;
    }
    out.kept.push_back(std::move(kept));
  }
  std::ranges::sort(out.kept, {}, [](const KeptTarget& kept) {
    return std::tuple(-kept.utility_usd, std::string_view(kept.target), kept.effort);
  });
  double chosen_usd = 0;
  for (const KeptTarget& kept : out.kept)
    if (is_chosen(kept)) chosen_usd = kept.utility_usd;
  for (const KeptTarget& kept : out.kept) {
    if (is_chosen(kept)) continue;
    if (out.runner_up.empty()) {
      out.runner_up = level_name(kept.target, kept.effort);
      out.margin_usd = chosen_usd - kept.utility_usd;
    }
    if (kept.target != decision.target && std::ranges::count(out.fallbacks, kept.target) == 0)
      out.fallbacks.push_back(kept.target);
  }
  if (record.policy_hash != policy_hash(policy))
    out.note = "the policy has changed since; flips are computed with the one in force now";
  if (decision.is_exploring)
    out.note += std::string(out.note.empty() ? "" : "; ") + "a trial, so there are no flips";
  else
    out.flips = flips_of({facts, policy, states}, decision);
  return out;
}

std::vector<TriedTarget> tried_of(const DecisionRecord& record, const std::vector<AttemptRow>& rows,
                                  bool is_answered) {
  const std::string& answers = record.stand_in ? record.stand_in->target : record.decision.target;
  std::vector<TriedTarget> tried;
  size_t answer = rows.size();  // the last that gave one
  for (size_t i = 0; i < rows.size(); ++i)
    if (is_answered && rows[i].party.target == answers && !rows[i].failed_as &&
        rows[i].state != AttemptState::released)
      answer = i;
  for (size_t i = 0; i < rows.size(); ++i) {
    const AttemptRow& row = rows[i];
    TriedTarget& each = tried.emplace_back();
    each.target = row.party.target;
    each.effort = row.effort;
    each.model = row.model;
    each.is_hedge = row.is_hedge;
    each.start_ms = row.time_ms - record.time_ms;
    each.total_ms = row.ended_ms ? row.ended_ms - row.time_ms : 0;
    each.cost_usd = to_text(row.cost);
    each.word = row.word;
    each.is_answer = i == answer;
    each.outcome = row.failed_as                         ? enum_name(*row.failed_as)
                   : row.state == AttemptState::released ? "nothing sent"
                   : row.state == AttemptState::reserved ? "under way"
                   : row.state == AttemptState::unknown  ? "unknown"
                   : each.is_answer || !is_answered      ? "answered"
                                                         : "not shown";
  }
  return tried;
}

std::string in_words(const Explanation& e) {
  std::string text = fmt::format(
      "{}\n  {}\n  class {}, asked for \"{}\", about {} prompt tokens; a minute is worth {}, a "
      "right "
      "answer {}\n",
      e.target.empty() ? fmt::format("refused ({})", enum_name(e.refused_as.value_or(Errc::denied)))
                       : level_name(e.target, e.effort),
      e.reason, enum_name(e.task), e.model, e.n_prompt_tokens, dollars(e.minute_usd),
      dollars(e.success_usd));
  if (e.stand_in) text += fmt::format("  {}\n", e.stand_in->reason);
  if (!e.decision.empty())
    text +=
        fmt::format("  decision {}, policy {} ({})\n", e.decision, e.policy_name, e.policy_hash);
  for (const LabelCause& cause : e.label_causes)
    text += fmt::format("  label {}: {}\n", cause.label, cause.why);
  if (!e.kept.empty()) {
    text += fmt::format("\n  {:<24} {:>12} {:>9} {:>8} {:>10} {:>12} {:>7}\n", "KEPT", "COST USD",
                        "SECONDS", "QUALITY", "CACHED", "UTILITY", "CHANCE");
    for (const KeptTarget& kept : e.kept)
      text += fmt::format(
          "  {:<24} {:>12.6f} {:>9.1f} {:>8.2f} {:>9.0f}% {:>12.6f} {:>6.0f}%\n",
          level_name(kept.target, kept.effort), kept.cost_usd, kept.latency_ms / 1000, kept.quality,
          e.n_prompt_tokens ? 100 * kept.cache.chance * static_cast<double>(kept.cache.n_tokens) /
                                  static_cast<double>(e.n_prompt_tokens)
                            : 0,
          kept.utility_usd, 100 * kept.propensity);
  }
  for (const RemovedTarget& removed : e.removed)
    text +=
        fmt::format("  removed {}: {}\n", level_name(removed.target, removed.effort), removed.rule);
  if (!e.runner_up.empty())
    text += fmt::format("\n  margin over {}: ${:.6f}\n", e.runner_up, e.margin_usd);
  for (const Flip& flip : e.flips) text += fmt::format("  {}\n", flip.text);
  if (!e.fallbacks.empty()) {
    text += "  should it fail:";
    for (const std::string& name : e.fallbacks) text += " " + name;
    text += "\n";
  }
  if (!e.tried.empty())
    text += fmt::format("\n  {:<24} {:>9} {:>9} {:>14}  {}\n", "TRIED", "AFTER MS", "MS",
                        "COST USD", "OUTCOME");
  for (const TriedTarget& each : e.tried)
    text += fmt::format("  {:<24} {:>9} {:>9} {:>14}  {}{}{}{}{}\n",
                        level_name(each.target, each.effort), each.start_ms, each.total_ms,
                        each.cost_usd, each.outcome, each.word.empty() ? "" : " (", each.word,
                        each.word.empty() ? "" : ")",
                        each.is_answer  ? ", the answer"
                        : each.is_hedge ? ", as a second leg"
                                        : "");
  if (e.reserved_usd > 0) text += fmt::format("  reserved at most {}\n", dollars(e.reserved_usd));
  if (!e.note.empty()) text += fmt::format("  note: {}\n", e.note);
  return text;
}

}  // namespace hearth::router
