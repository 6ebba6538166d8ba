#include "router/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <cassert>
#include <iterator>
#include <span>
#include <tuple>
#include <utility>

#include "decide.h"
#include "explore.h"
#include "money/runaway.h"
#include "router/account.h"
#include "router/effort.h"
#include "score.h"
#include "stay.h"

namespace hearth::router {

namespace {

bool is_by_name(const RequestFacts& facts, const Target& target) {
  return facts.model == target.name || facts.model == target.model;
}

// A provider's name means any of its targets, where no target is called so.
bool names(const RequestFacts& facts, const Policy& policy, const Target& target) {
  if (is_any(facts.model)) return true;
  if (facts.model == "local") return target.kind == TargetKind::engine;
  if (is_by_name(facts, target)) return true;
  return target.kind == TargetKind::api && facts.model == target.provider &&
         std::ranges::none_of(policy.targets,
                              [&](const Target& other) { return is_by_name(facts, other); });
}

const TaskRule& rule_of(const Policy& policy, TaskClass task) {
  static const TaskRule none;
  auto found = policy.tasks.find(task);
  return found == policy.tasks.end() ? none : found->second;
}

// Says into the room of what was said there before.
template <class... Args>
void say(std::string& into, fmt::format_string<Args...> words, Args&&... args) {
  into.clear();
  fmt::format_to(std::back_inserter(into), words, std::forward<Args>(args)...);
}

// What put the label on the request, for people: " (message 3, text of src/keys.cc)".
std::string cause_of(const RequestFacts& facts, std::string_view label) {
  auto cause = std::ranges::find(facts.label_causes, label, &LabelCause::label);
  if (cause == facts.label_causes.end()) return "";
  std::string place = cause->message ? fmt::format("message {}, ", cause->message) : "";
  const std::string digest = cause->text.empty() ? "" : ", digest " + cause->text;
  return fmt::format(" ({}{}{})", place, cause->why, digest);
}

// Whether the request means this target: by its name, or by the class that lists it; else why not.
bool is_meant(const RequestFacts& facts, const Policy& policy, const TaskRule& rule,
              const Target& target, std::string& why) {
  if (!names(facts, policy, target)) {
    say(why, "the request asks for \"{}\"", facts.model);
    return false;
  }
  const bool is_listed = rule.targets.empty() || is_by_name(facts, target) ||
                         std::ranges::count(rule.targets, target.name) > 0;
  if (!is_listed) say(why, "class {} lists other targets", enum_name(facts.task));
  return is_listed;
}

std::string lacking(const RequestFacts& facts, const Target& target, const TargetState& state) {
  if (facts.needs.empty()) return "";
  Needs lacks = state.lacks;
  if (!target.has_tools) lacks.push_back(Need::tools);
  if (!target.has_images) lacks.push_back(Need::images);
  return why_not(facts.needs, lacks);
}

// The least trusted place that may see the request, and the label that says so.
struct Allowed {
  Trust trust;
  std::string_view label;
};

// A remote context is judged by an estimate; an engine counts exactly and refuses with both
// numbers.
constexpr double kContextMargin = 1.02;

// The first rule that keeps this target from being used, told in words that name the fact; what a
// refusal that rests on this alone is called. Nothing when it may be used.
std::optional<Errc> exclusion(const RequestFacts& facts, const Policy& policy, const TaskRule& rule,
                              Allowed allowed, const Target& target, const TargetState& state,
                              const AtLevel& at, const Candidate& candidate, std::string& why) {
  if (target.trust > allowed.trust) {
    if (allowed.label.empty())
      say(why, "trust {} is below the policy's floor {}", enum_name(target.trust),
          enum_name(allowed.trust));
    else
      say(why, "label \"{}\"{} allows trust {} at most, the target has {}", allowed.label,
          cause_of(facts, allowed.label), enum_name(allowed.trust), enum_name(target.trust));
    return Errc::denied;
  }
  if (!policy.allow.empty() || !policy.deny.empty())
    if (auto fact = denied_fact(policy.allow, policy.deny, facts_of(target))) {
      why = *fact;
      return Errc::denied;
    }
  if (target.kind == TargetKind::api && !target.price) {
    why = "its price is not known";
    return Errc::denied;
  }
  if (std::string fields = lacking(facts, target, state); !fields.empty()) {
    say(why, "it {}", fields);
    return Errc::unsupported;
  }
  if (state.down) {
    why = *state.down;
    return Errc::busy;
  }
  if (const EffortState* level = find_effort(state, candidate.effort); level && level->down) {
    why = *level->down;
    return Errc::unsupported;
  }
  if (auto short_of = shortfall(state.means, at.needed)) {
    why = *short_of;
    return Errc::over_budget;
  }
  uint32_t n_context = state.n_context ? state.n_context : target.n_context;
  if (target.kind == TargetKind::api && n_context &&
      kContextMargin * static_cast<double>(facts.n_prompt_estimate) >= n_context) {
    say(why, "about {} prompt tokens, its context is {}", facts.n_prompt_estimate, n_context);
    return Errc::context_exceeded;
  }
  if (is_by_name(facts, target)) return std::nullopt;  // who is named need not be good or fast
  if (candidate.quality < rule.min_quality) {
    say(why, "quality {:.2f} is below the floor {:.2f} of class {}", candidate.quality,
        rule.min_quality, enum_name(facts.task));
    return Errc::denied;
  }
  // Nine of ten must be in time.
  const double latency_sd = at.belief.latency_ms ? at.belief.latency_ms->sd : 0;
  const double slow_ms = candidate.latency_ms + 1.28 * latency_sd;
  auto deadline = facts.deadline_ms ? facts.deadline_ms : rule.deadline_ms;
  if (deadline && slow_ms > *deadline) {
    say(why, "would take about {:.0f} ms, the deadline is {} ms", slow_ms, *deadline);
    return Errc::denied;
  }
  if (rule.ttft_ms && candidate.first_word_ms > *rule.ttft_ms) {
    say(why, "its first word would take about {:.0f} ms, class {} allows {:.0f} ms",
        candidate.first_word_ms, enum_name(facts.task), *rule.ttft_ms);
    return Errc::denied;
  }
  return std::nullopt;
}

// Those who were not meant say nothing, where anybody was; what keeps out all levels of a target is
// said once.
std::string reason_of_refusal(const RequestFacts& facts, const Policy& policy, const TaskRule& rule,
                              const Decision& decision) {
  std::string unsaid;
  std::vector<bool> meant;
  for (const Target& target : policy.targets)
    meant.push_back(is_meant(facts, policy, rule, target, unsaid));
  const bool is_any_meant = std::ranges::count(meant, true) > 0;
  std::string reason = "no target is left:";
  const auto& candidates = decision.candidates;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (!meant[place_of(decision, i)] && is_any_meant) continue;
    const Candidate& each = candidates[i];
    auto is_level = [&](const Candidate& other) { return other.target == each.target; };
    const bool is_alone = std::ranges::all_of(candidates, [&](const Candidate& other) {
      return !is_level(other) || other.excluded_by == each.excluded_by;
    });
    if (is_alone && i > 0 && is_level(candidates[i - 1])) continue;
    reason += fmt::format(" {}: {};", is_alone ? each.target : level_name(each.target, each.effort),
                          each.excluded_by.value_or(""));
  }
  if (decision.candidates.empty())
    return "no target is configured and no model is pulled: run `hearth pull`, or add a "
           "[target.NAME]";
  reason.pop_back();
  return reason;
}

// What a person may lift: a label from a text, or something of the policy.
std::string question_of(const RequestFacts& facts, const Policy& policy, const Decision& decision) {
  auto [trust, label] = required_trust(policy, facts.labels);
  const Target* nearest = nullptr;  // the most trusted that the label keeps out
  for (const Target& target : policy.targets)
    if (target.trust > trust && (!nearest || target.trust < nearest->trust) &&
        names(facts, policy, target))
      nearest = &target;
  auto cause = std::ranges::find(facts.label_causes, label, &LabelCause::label);
  if (nearest && !label.empty() && cause != facts.label_causes.end() && !cause->text.empty())
    return fmt::format(
        "May the text labelled \"{}\"{} go to {}, whose trust is \"{}\"? To say yes: hearth "
        "declassify {} --label {} --why REASON",
        label, cause_of(facts, label), nearest->name, enum_name(nearest->trust), cause->text,
        label);
  return fmt::format(
      "No target may take this as the policy stands ({}). Change the policy, choose "
      "another model or leave it?",
      decision.reason);
}

// " at high", where it is stated.
std::string_view at_of(const Candidate& candidate) { return candidate.effort ? " at " : ""; }
std::string_view effort_of(const Candidate& candidate) {
  return candidate.effort ? enum_name(*candidate.effort) : "";
}

void say_reason_of_choice(Decision& decision, const Value& value, size_t chosen, size_t best,
                          size_t n_kept) {
  const Candidate& choice = decision.candidates[chosen];
  const Candidate& better = decision.candidates[best];
  std::string& reason = decision.reason;
  if (n_kept == 1)
    return say(reason, "{}{}{} is the only target that passes the policy", choice.target,
               at_of(choice), effort_of(choice));
  if (chosen != best)
    return say(reason, "{}{}{} is tried to learn more of it; {}{}{} looks better by ${:.6f}",
               choice.target, at_of(choice), effort_of(choice), better.target, at_of(better),
               effort_of(better), better.utility_usd - choice.utility_usd);
  const bool is_any_level = choice.effort && decision.fallbacks.size() + 1 < n_kept;
  const std::string_view what = is_any_level ? "targets and efforts" : "targets";
  if (value.minute_usd == 0 && value.success_usd == 0)
    return say(reason, "{}{}{} is the cheapest of {} {} that pass the policy, at about ${:.6f}",
               choice.target, at_of(choice), effort_of(choice), n_kept, what, choice.cost_usd);
  say(reason,
      "{}{}{} is worth most of {} {} that pass the policy: quality {:.2f}, about ${:.6f} and "
      "{:.1f} s",
      choice.target, at_of(choice), effort_of(choice), n_kept, what, choice.quality,
      choice.cost_usd, choice.latency_ms / 1000);
}

// Everything but what lies in vectors, which is written over.
void clear(Decision& decision) {
  decision.id.clear();
  decision.target.clear();
  decision.model.clear();
  decision.effort.reset();
  decision.reason.clear();
  decision.refused_as.reset();
  decision.is_exploring = decision.is_held = decision.may_pass = false;
  decision.question.clear();
  decision.hedge.reset();
}

// The rule's targets, as far as they pass.
std::optional<Hedge> hedge_of(const HedgeRule& rule, const Decision& decision) {
  Hedge hedge;
  hedge.after_ms = rule.after_ms.value_or(0);
  hedge.max_pct = rule.max_pct;
  for (const std::string& name : rule.to)
    if (std::ranges::count(decision.fallbacks, name) > 0) hedge.targets.push_back(name);
  if (hedge.targets.empty()) return std::nullopt;
  return hedge;
}

std::string unknown_model(const RequestFacts& facts, const Policy& policy) {
  std::string known = "auto, auto:cheap, auto:fast, auto:best, local";
  for (const Target& target : policy.targets)
    known += fmt::format(", {}{}", target.name,
                         target.model.empty() || target.model == target.name
                             ? ""
                             : fmt::format(" ({})", target.model));
  return fmt::format("model \"{}\" is not known here; known are: {}", facts.model, known);
}

// Of those kept, the best first, the one that goes on with who answered last; in the middle of a
// round of calls without switching thoughts on or off. The end of the candidates: there is none.
size_t where_it_stands(const Past& past, const Decision& decision, std::span<const size_t> kept) {
  const auto& candidates = decision.candidates;
  size_t here = candidates.size();
  for (size_t i : kept) {
    if (candidates[i].target != past.target) continue;
    if (here == candidates.size()) here = i;
    if (!past.is_tool_round || !is_toggle(past.effort, candidates[i].effort)) return i;
  }
  return here;
}

// Before any target was looked at.
void refuse(Decision& decision, Errc code, std::string reason) {
  decision.refused_as = code;
  decision.reason = std::move(reason);
  decision.labels.clear();
  decision.candidates.clear();
  decision.fallbacks.clear();
}

}  // namespace

std::pair<Trust, std::string> required_trust(const Policy& policy,
                                             const std::vector<std::string>& labels) {
  std::pair<Trust, std::string> strictest{policy.trust_floor, ""};
  for (const std::string& label : labels) {
    // A label that no rule knows is taken at its strictest: a typo must not open the door.
    std::optional<Trust> least;
    for (const LabelRule& rule : policy.labels)
      if (rule.name == label) least = std::min(rule.trust, least.value_or(rule.trust));
    Trust trust = least.value_or(Trust::local);
    if (trust < strictest.first) strictest = {trust, label};
  }
  return strictest;
}

bool may_see(const Policy& policy, const Target& target, const std::vector<std::string>& labels) {
  return target.trust <= required_trust(policy, labels).first;
}

bool is_same_choice(const Decision& then, const Decision& now, const Policy& policy) {
  if (then.target != now.target) return false;
  if (then.effort == now.effort) return true;
  auto target = std::ranges::find(policy.targets, now.target, &Target::name);
  return !then.effort && target != policy.targets.end() && target->efforts.empty();
}

Decision decide(const RequestFacts& facts, const Policy& policy,
                const std::vector<TargetState>& states) {
  Decision decision;
  decide(facts, policy, states, decision);
  return decision;
}

void decide(const RequestFacts& facts, const Policy& policy, const std::vector<TargetState>& states,
            Decision& decision) {
  assert(states.size() == policy.targets.size());
  clear(decision);
  const bool is_known =
      std::ranges::any_of(policy.targets, [&](const Target& t) { return names(facts, policy, t); });
  if (!is_known && !policy.targets.empty())
    return refuse(decision, Errc::not_found, unknown_model(facts, policy));
  if (auto why = runaway(facts.rounds, policy.limits))
    return refuse(decision, Errc::denied, std::move(*why));

  decision.labels = facts.labels;
  const TaskRule& rule = rule_of(policy, facts.task);
  const Value value = value_of(facts, policy);
  const auto [trust, label] = required_trust(policy, facts.labels);
  boost::container::small_vector<size_t, 64> place;  // of each candidate's target
  boost::container::small_vector<size_t, 64> kept;
  auto rank = [&](size_t i) {
    const Candidate& candidate = decision.candidates[i];
    return std::tuple(-candidate.utility_usd, policy.targets[place[i]].trust, candidate.latency_ms,
                      i);
  };
  std::optional<Errc> shared_code;  // of all exclusions of targets that were meant
  auto share = [&](Errc code) {
    shared_code = shared_code.value_or(code) == code ? code : Errc::denied;
  };
  for (size_t p = 0; p < policy.targets.size(); ++p) {
    const Target& target = policy.targets[p];
    std::optional<Errc> level_code;  // of levels that are down
    bool is_told = false;            // what the target itself is called
    for (std::optional<Effort> effort : levels_of(facts, policy, target)) {
      const size_t i = place.size();
      place.push_back(p);
      if (decision.candidates.size() <= i) decision.candidates.emplace_back();
      Candidate& candidate = decision.candidates[i];
      candidate.effort = effort;
      const AtLevel at = at_level(target, states[p], effort);
      forecast(facts, value, target, states[p], at, candidate);
      std::string& why =
          candidate.excluded_by ? *candidate.excluded_by : candidate.excluded_by.emplace();
      if (!is_meant(facts, policy, rule, target, why)) continue;
      auto code =
          exclusion(facts, policy, rule, {trust, label}, target, states[p], at, candidate, why);
      if (code) {
        const EffortState* level = find_effort(states[p], effort);
        if (level && level->down) {
          level_code = code;
          continue;
        }
        is_told = true;
        decision.may_pass = decision.may_pass || *code == Errc::busy;
        share(*code);
        continue;
      }
      is_told = true;
      candidate.excluded_by.reset();
      kept.push_back(i);
    }
    if (level_code && !is_told) share(*level_code);
  }
  decision.candidates.resize(place.size());
  if (kept.empty()) {
    decision.refused_as = shared_code.value_or(Errc::denied);
    decision.reason = reason_of_refusal(facts, policy, rule, decision);
    decision.fallbacks.clear();
    if (policy.on_no_target == OnNoTarget::ask)
      decision.question = question_of(facts, policy, decision);
    return;
  }
  decision.may_pass = false;
  std::ranges::sort(kept, {}, rank);
  const size_t best = kept.front();
  size_t chosen = best;
  std::optional<std::string> hold;
  if (facts.past) {
    const size_t here = where_it_stands(*facts.past, decision, kept);
    const bool is_other = here != decision.candidates.size() && here != best;
    // Who names a model has switched; its thoughts are not switched all the same.
    if (is_other && (is_any(facts.model) || place[here] == place[best]))
      hold = why_stay(facts, policy, policy.targets[place[here]], decision.candidates[here],
                      policy.targets[place[best]], decision.candidates[best]);
    if (hold) chosen = here;
  }
  // No trials in the middle of a conversation: they would be paid for twice.
  if (facts.exploration && !facts.past)
    chosen = explore(*facts.exploration, value, best, decision.candidates);
  else
    decision.candidates[chosen].propensity = 1;
  const Target& target = policy.targets[place[chosen]];
  decision.target = target.name;
  decision.model = target.model;
  decision.effort = decision.candidates[chosen].effort;
  decision.is_held = hold.has_value();
  decision.is_exploring = chosen != best && !hold;
  // Of each other target its best level: what fails at one level fails at all.
  size_t n_fallbacks = 0;
  boost::container::small_vector<bool, 64> is_named(policy.targets.size());
  is_named[place[chosen]] = true;
  for (size_t i : kept) {
    if (std::exchange(is_named[place[i]], true)) continue;
    if (decision.fallbacks.size() <= n_fallbacks) decision.fallbacks.emplace_back();
    decision.fallbacks[n_fallbacks++] = policy.targets[place[i]].name;
  }
  decision.fallbacks.resize(n_fallbacks);
  if (hold)
    say(decision.reason, "{}{}{} stays: {}", decision.target, at_of(decision.candidates[chosen]),
        effort_of(decision.candidates[chosen]), *hold);
  else
    say_reason_of_choice(decision, value, chosen, best, kept.size());
  if (rule.hedge) decision.hedge = hedge_of(*rule.hedge, decision);
}

}  // namespace hearth::router
