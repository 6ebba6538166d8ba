#include "router/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <tuple>
#include <utility>

#include "explore.h"
#include "money/runaway.h"
#include "router/account.h"
#include "score.h"
#include "stay.h"

namespace hearth::router {

namespace {

bool names(const RequestFacts& facts, const Target& target) {
  if (is_any(facts.model)) return true;
  if (facts.model == "local") return target.kind == TargetKind::engine;
  return facts.model == target.name || facts.model == target.model;
}

const TaskRule& rule_of(const Policy& policy, TaskClass task) {
  static const TaskRule none;
  auto found = policy.tasks.find(task);
  return found == policy.tasks.end() ? none : found->second;
}

// Why a target is not used, and what a refusal that rests on this alone is called.
struct Exclusion {
  Errc code;
  std::string why;
};

// What put the label on the request, for people: " (message 3, text of src/keys.cc)".
std::string cause_of(const RequestFacts& facts, const std::string& label) {
  auto cause = std::ranges::find(facts.label_causes, label, &LabelCause::label);
  if (cause == facts.label_causes.end()) return "";
  std::string place = cause->message ? fmt::format("message {}, ", cause->message) : "";
  const std::string digest = cause->text.empty() ? "" : ", digest " + cause->text;
  return fmt::format(" ({}{}{})", place, cause->why, digest);
}

bool is_by_name(const RequestFacts& facts, const Target& target) {
  return facts.model == target.name || facts.model == target.model;
}

// Whether the request means this target at all: by its name, or by the class that lists it.
std::optional<std::string> not_meant(const RequestFacts& facts, const TaskRule& rule,
                                     const Target& target) {
  if (!names(facts, target)) return fmt::format("the request asks for \"{}\"", facts.model);
  if (!rule.targets.empty() && !is_by_name(facts, target) &&
      std::ranges::count(rule.targets, target.name) == 0)
    return fmt::format("class {} lists other targets", enum_name(facts.task));
  return std::nullopt;
}

std::string lacking(const RequestFacts& facts, const Target& target, const TargetState& state) {
  Needs lacks = state.lacks;
  if (!target.has_tools) lacks.push_back(Need::tools);
  if (!target.has_images) lacks.push_back(Need::images);
  return why_not(facts.needs, lacks);
}

// A remote context is judged by an estimate; an engine counts exactly and refuses with both
// numbers.
constexpr double kContextMargin = 1.02;

// The first rule that keeps this target from being used, in words that name the fact.
std::optional<Exclusion> exclusion(const RequestFacts& facts, const Policy& policy,
                                   const TaskRule& rule, const Target& target,
                                   const TargetState& state, const Candidate& candidate) {
  auto [trust, label] = required_trust(policy, facts.labels);
  if (target.trust > trust)
    return Exclusion{
        Errc::denied,
        label.empty()
            ? fmt::format("trust {} is below the policy's floor {}", enum_name(target.trust),
                          enum_name(trust))
            : fmt::format("label \"{}\"{} allows trust {} at most, the target has {}", label,
                          cause_of(facts, label), enum_name(trust), enum_name(target.trust))};
  if (!policy.allow.empty() || !policy.deny.empty())
    if (auto why = denied_fact(policy.allow, policy.deny, facts_of(target)))
      return Exclusion{Errc::denied, std::move(*why)};
  if (target.kind == TargetKind::api && !target.price)
    return Exclusion{Errc::denied, "its price is not known"};
  if (std::string fields = lacking(facts, target, state); !fields.empty())
    return Exclusion{Errc::unsupported, "it " + fields};
  if (state.down) return Exclusion{Errc::busy, *state.down};
  if (auto short_of = shortfall(state.means)) return Exclusion{Errc::over_budget, *short_of};
  uint32_t n_context = state.n_context ? state.n_context : target.n_context;
  if (target.kind == TargetKind::api && n_context &&
      kContextMargin * static_cast<double>(facts.n_prompt_estimate) >= n_context)
    return Exclusion{Errc::context_exceeded,
                     fmt::format("about {} prompt tokens, its context is {}",
                                 facts.n_prompt_estimate, n_context)};
  if (is_by_name(facts, target)) return std::nullopt;  // who is named need not be good or fast
  if (candidate.quality < rule.min_quality)
    return Exclusion{Errc::denied,
                     fmt::format("quality {:.2f} is below the floor {:.2f} of class {}",
                                 candidate.quality, rule.min_quality, enum_name(facts.task))};
  // Nine of ten must be in time.
  const double latency_sd = state.belief.latency_ms ? state.belief.latency_ms->sd : 0;
  const double slow_ms = candidate.latency_ms + 1.28 * latency_sd;
  auto deadline = facts.deadline_ms ? facts.deadline_ms : rule.deadline_ms;
  if (deadline && slow_ms > *deadline)
    return Exclusion{Errc::denied, fmt::format("would take about {:.0f} ms, the deadline is {} ms",
                                               slow_ms, *deadline)};
  if (rule.ttft_ms && candidate.first_word_ms > *rule.ttft_ms)
    return Exclusion{Errc::denied,
                     fmt::format("its first word would take about {:.0f} ms, class {} "
                                 "allows {:.0f} ms",
                                 candidate.first_word_ms, enum_name(facts.task), *rule.ttft_ms)};
  return std::nullopt;
}

std::string reason_of_refusal(const Decision& decision) {
  std::string reason = "no target is left:";
  for (const Candidate& candidate : decision.candidates)
    reason += fmt::format(" {}: {};", candidate.target, candidate.excluded_by.value_or(""));
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
        names(facts, target))
      nearest = &target;
  auto cause = std::ranges::find(facts.label_causes, label, &LabelCause::label);
  if (nearest && !label.empty() && cause != facts.label_causes.end() && !cause->text.empty())
    return fmt::format(
        "May the text labelled \"{}\"{} go to {}, whose trust is \"{}\"? To say yes: hearth "
        "declassify {} --label {} --why REASON",
        label, cause_of(facts, label), nearest->name, enum_name(nearest->trust), cause->text, label);
  return fmt::format("No target may take this as the policy stands ({}). Change the policy, choose "
                     "another model or leave it?",
                     decision.reason);
}

std::string reason_of_choice(const Decision& decision, const Value& value, size_t chosen,
                             size_t best, size_t n_kept) {
  const Candidate& choice = decision.candidates[chosen];
  if (n_kept == 1)
    return fmt::format("{} is the only target that passes the policy", choice.target);
  if (chosen != best)
    return fmt::format("{} is tried to learn more of it; {} looks better by ${:.6f}", choice.target,
                       decision.candidates[best].target,
                       decision.candidates[best].utility_usd - choice.utility_usd);
  if (value.minute_usd == 0 && value.success_usd == 0)
    return fmt::format("{} is the cheapest of {} targets that pass the policy, at about ${:.6f}",
                       choice.target, n_kept, choice.cost_usd);
  return fmt::format(
      "{} is worth most of {} targets that pass the policy: quality {:.2f}, about ${:.6f} and "
      "{:.1f} s",
      choice.target, n_kept, choice.quality, choice.cost_usd, choice.latency_ms / 1000);
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

Decision unknown_model(const RequestFacts& facts, const Policy& policy) {
  std::string known = "auto, auto:cheap, auto:fast, auto:best, local";
  for (const Target& target : policy.targets)
    known += fmt::format(", {}{}", target.name,
                         target.model.empty() || target.model == target.name
                             ? ""
                             : fmt::format(" ({})", target.model));
  Decision decision;
  decision.refused_as = Errc::not_found;
  decision.reason =
      fmt::format("model \"{}\" is not known here; known are: {}", facts.model, known);
  return decision;
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
  assert(states.size() == policy.targets.size());
  const bool is_known =
      std::ranges::any_of(policy.targets, [&](const Target& t) { return names(facts, t); });
  if (!is_known && !policy.targets.empty()) return unknown_model(facts, policy);
  if (auto why = runaway(facts.rounds, policy.limits)) {
    Decision stopped;
    stopped.refused_as = Errc::denied;
    stopped.reason = *why;
    return stopped;
  }

  Decision decision;
  decision.labels = facts.labels;
  const TaskRule& rule = rule_of(policy, facts.task);
  const Value value = value_of(facts, policy);
  auto rank = [&](size_t i) {
    const Candidate& candidate = decision.candidates[i];
    return std::tuple(-candidate.utility_usd, policy.targets[i].trust, candidate.latency_ms);
  };
  std::optional<size_t> best;
  std::vector<size_t> kept;
  std::optional<Errc> shared_code;  // of all exclusions of targets that were meant
  bool may_pass = false;
  decision.candidates.reserve(policy.targets.size());
  for (size_t i = 0; i < policy.targets.size(); ++i) {
    const Target& target = policy.targets[i];
    Candidate& candidate =
        decision.candidates.emplace_back(forecast(facts, value, target, states[i]));
    candidate.excluded_by = not_meant(facts, rule, target);
    if (!candidate.excluded_by)
      if (auto excluded = exclusion(facts, policy, rule, target, states[i], candidate)) {
        candidate.excluded_by = std::move(excluded->why);
        may_pass = may_pass || excluded->code == Errc::busy;
        shared_code =
            shared_code.value_or(excluded->code) == excluded->code ? excluded->code : Errc::denied;
      }
    if (candidate.excluded_by) continue;
    kept.push_back(i);
    if (!best || rank(i) < rank(*best)) best = i;
  }
  if (!best) {
    decision.refused_as = shared_code.value_or(Errc::denied);
    decision.reason = reason_of_refusal(decision);
    decision.may_pass = may_pass;
    if (policy.on_no_target == OnNoTarget::ask)
      decision.question = question_of(facts, policy, decision);
    return decision;
  }
  size_t chosen = *best;
  std::optional<std::string> hold;
  if (facts.past && is_any(facts.model)) {
    const auto stay = std::ranges::find(policy.targets, facts.past->target, &Target::name);
    const auto i = static_cast<size_t>(stay - policy.targets.begin());
    if (stay != policy.targets.end() && i != *best && !decision.candidates[i].excluded_by)
      hold = why_stay(facts, policy, *stay, decision.candidates[i], policy.targets[*best],
                      decision.candidates[*best]);
    if (hold) chosen = i;
  }
  // No trials in the middle of a conversation: they would be paid for twice.
  if (facts.exploration && !facts.past)
    chosen = explore(*facts.exploration, value, *best, decision.candidates);
  else
    decision.candidates[chosen].propensity = 1;
  decision.target = policy.targets[chosen].name;
  decision.model = policy.targets[chosen].model;
  decision.is_held = hold.has_value();
  decision.is_exploring = chosen != *best && !hold;
  decision.reason = hold ? fmt::format("{} stays: {}", decision.target, *hold)
                         : reason_of_choice(decision, value, chosen, *best, kept.size());
  std::ranges::sort(kept, {}, [&](size_t i) { return std::pair(rank(i), i); });
  for (size_t i : kept)
    if (i != chosen) decision.fallbacks.push_back(policy.targets[i].name);
  if (rule.hedge) decision.hedge = hedge_of(*rule.hedge, decision);
  return decision;
}

}  // namespace hearth::router
