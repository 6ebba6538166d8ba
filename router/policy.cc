#include "router/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <cassert>
#include <iterator>
#include <tuple>
#include <utility>

#include "decide.h"
#include "explore.h"
#include "money/runaway.h"
#include "router/account.h"
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
                              const Candidate& candidate, std::string& why) {
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
  if (auto short_of = shortfall(state.means)) {
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
  const double latency_sd = state.belief.latency_ms ? state.belief.latency_ms->sd : 0;
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

// Those who were not meant say nothing, where anybody was.
std::string reason_of_refusal(const RequestFacts& facts, const Policy& policy, const TaskRule& rule,
                              const Decision& decision) {
  std::string unsaid;
  std::vector<bool> meant;
  for (const Target& target : policy.targets)
    meant.push_back(is_meant(facts, policy, rule, target, unsaid));
  const bool is_any_meant = std::ranges::count(meant, true) > 0;
  std::string reason = "no target is left:";
  for (size_t i = 0; i < decision.candidates.size(); ++i)
    if (meant[i] || !is_any_meant)
      reason += fmt::format(" {}: {};", decision.candidates[i].target,
                            decision.candidates[i].excluded_by.value_or(""));
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

void say_reason_of_choice(Decision& decision, const Value& value, size_t chosen, size_t best,
                          size_t n_kept) {
  const Candidate& choice = decision.candidates[chosen];
  std::string& reason = decision.reason;
  if (n_kept == 1)
    return say(reason, "{} is the only target that passes the policy", choice.target);
  if (chosen != best)
    return say(reason, "{} is tried to learn more of it; {} looks better by ${:.6f}", choice.target,
               decision.candidates[best].target,
               decision.candidates[best].utility_usd - choice.utility_usd);
  if (value.minute_usd == 0 && value.success_usd == 0)
    return say(reason, "{} is the cheapest of {} targets that pass the policy, at about ${:.6f}",
               choice.target, n_kept, choice.cost_usd);
  say(reason,
      "{} is worth most of {} targets that pass the policy: quality {:.2f}, about ${:.6f} and "
      "{:.1f} s",
      choice.target, n_kept, choice.quality, choice.cost_usd, choice.latency_ms / 1000);
}

// Everything but what lies in vectors, which is written over.
void clear(Decision& decision) {
  decision.id.clear();
  decision.target.clear();
  decision.model.clear();
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
  decision.candidates.resize(policy.targets.size());
  const TaskRule& rule = rule_of(policy, facts.task);
  const Value value = value_of(facts, policy);
  const auto [trust, label] = required_trust(policy, facts.labels);
  auto rank = [&](size_t i) {
    const Candidate& candidate = decision.candidates[i];
    return std::tuple(-candidate.utility_usd, policy.targets[i].trust, candidate.latency_ms, i);
  };
  boost::container::small_vector<size_t, 64> kept;
  std::optional<Errc> shared_code;  // of all exclusions of targets that were meant
  for (size_t i = 0; i < policy.targets.size(); ++i) {
    const Target& target = policy.targets[i];
    Candidate& candidate = decision.candidates[i];
    forecast(facts, value, target, states[i], candidate);
    std::string& why =
        candidate.excluded_by ? *candidate.excluded_by : candidate.excluded_by.emplace();
    if (!is_meant(facts, policy, rule, target, why)) continue;
    auto code = exclusion(facts, policy, rule, {trust, label}, target, states[i], candidate, why);
    if (code) {
      decision.may_pass = decision.may_pass || *code == Errc::busy;
      shared_code = shared_code.value_or(*code) == *code ? *code : Errc::denied;
      continue;
    }
    candidate.excluded_by.reset();
    kept.push_back(i);
  }
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
  if (facts.past && is_any(facts.model)) {
    const auto stay = std::ranges::find(policy.targets, facts.past->target, &Target::name);
    const auto i = static_cast<size_t>(stay - policy.targets.begin());
    if (stay != policy.targets.end() && i != best && !decision.candidates[i].excluded_by)
      hold = why_stay(facts, policy, *stay, decision.candidates[i], policy.targets[best],
                      decision.candidates[best]);
    if (hold) chosen = i;
  }
  // No trials in the middle of a conversation: they would be paid for twice.
  if (facts.exploration && !facts.past)
    chosen = explore(*facts.exploration, value, best, decision.candidates);
  else
    decision.candidates[chosen].propensity = 1;
  decision.target = policy.targets[chosen].name;
  decision.model = policy.targets[chosen].model;
  decision.is_held = hold.has_value();
  decision.is_exploring = chosen != best && !hold;
  if (hold)
    say(decision.reason, "{} stays: {}", decision.target, *hold);
  else
    say_reason_of_choice(decision, value, chosen, best, kept.size());
  decision.fallbacks.resize(kept.size() - 1);
  auto fallback = decision.fallbacks.begin();
  for (size_t i : kept)
    if (i != chosen) *fallback++ = policy.targets[i].name;
  if (rule.hedge) decision.hedge = hedge_of(*rule.hedge, decision);
}

}  // namespace hearth::router
