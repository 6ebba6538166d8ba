#include "router/policy.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <tuple>

namespace hearth::router {

namespace {

// Answers are short when nobody says how long: used for cost and time forecasts only.
constexpr uint32_t kTypicalOutput = 400;

// Figures of a target nobody has measured yet: a small model on two cores; a hosted API.
constexpr double kLocalPrefill = 200, kLocalDecode = 50;
constexpr double kRemoteTtftMs = 800, kRemoteTokensPerS = 60;

bool names(const RequestFacts& facts, const Target& target) {
  if (facts.model == "auto" || facts.model.empty()) return true;
  if (facts.model == "local") return target.kind == TargetKind::engine;
  return facts.model == target.name || facts.model == target.model;
}

const TaskRule& rule_of(const Policy& policy, TaskClass task) {
  static const TaskRule none;
  auto found = policy.tasks.find(task);
  return found == policy.tasks.end() ? none : found->second;
}

// The least trusted place that may see all of the request's labels, and the label that says so.
std::pair<Trust, std::string> required_trust(const RequestFacts& facts, const Policy& policy) {
  std::pair<Trust, std::string> strictest{policy.trust_floor, ""};
  for (const std::string& label : facts.labels) {
    // A label that no rule knows is taken at its strictest: a typo must not open the door.
    std::optional<Trust> least;
    for (const LabelRule& rule : policy.labels)
      if (rule.name == label) least = std::min(rule.trust, least.value_or(rule.trust));
    Trust trust = least.value_or(Trust::local);
    if (trust < strictest.first) strictest = {trust, label};
  }
  return strictest;
}

double predict_ms(const RequestFacts& facts, const Target& target, const TargetState& state,
                  uint32_t n_output) {
  double prompt = static_cast<double>(facts.n_prompt_estimate);
  if (target.kind == TargetKind::api)
    return state.queue_ms + target.ttft_ms.value_or(kRemoteTtftMs) +
           1000.0 * n_output / target.tokens_per_s.value_or(kRemoteTokensPerS);
  double prefill = state.prefill_tokens_per_s > 0 ? state.prefill_tokens_per_s : kLocalPrefill;
  double decode = state.decode_tokens_per_s > 0 ? state.decode_tokens_per_s
                                                : target.tokens_per_s.value_or(kLocalDecode);
  return state.queue_ms + 1000.0 * (prompt / prefill + n_output / decode);
}

// Why a target is not used, and what a refusal that rests on this alone is called.
struct Exclusion {
  Errc code;
  std::string why;
};

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

// The first rule that keeps this target from being used, in words that name the fact.
std::optional<Exclusion> exclusion(const RequestFacts& facts, const Policy& policy,
                                   const TaskRule& rule, const Target& target,
                                   const TargetState& state, const Candidate& candidate) {
  auto [trust, label] = required_trust(facts, policy);
  if (target.trust > trust)
    return Exclusion{Errc::denied,
                     label.empty()
                         ? fmt::format("trust {} is below the policy's floor {}",
                                       enum_name(target.trust), enum_name(trust))
                         : fmt::format("label \"{}\" allows trust {} at most, the target has {}",
                                       label, enum_name(trust), enum_name(target.trust))};
  if (target.kind == TargetKind::api && !target.price)
    return Exclusion{Errc::denied, "its price is not known"};
  if (std::string fields = lacking(facts, target, state); !fields.empty())
    return Exclusion{Errc::unsupported, "it " + fields};
  if (state.down) return Exclusion{Errc::busy, *state.down};
  uint32_t n_context = state.n_context ? state.n_context : target.n_context;
  // An engine counts exactly and refuses with both numbers; a remote context is judged here.
  if (target.kind == TargetKind::api && n_context && facts.n_prompt_estimate >= n_context)
    return Exclusion{Errc::context_exceeded,
                     fmt::format("about {} prompt tokens, its context is {}",
                                 facts.n_prompt_estimate, n_context)};
  if (is_by_name(facts, target)) return std::nullopt;  // who is named need not be good or fast
  if (candidate.quality < rule.min_quality)
    return Exclusion{Errc::denied,
                     fmt::format("quality {:.2f} is below the floor {:.2f} of class {}",
                                 candidate.quality, rule.min_quality, enum_name(facts.task))};
  auto deadline = facts.deadline_ms ? facts.deadline_ms : rule.deadline_ms;
  if (deadline && candidate.latency_ms > *deadline)
    return Exclusion{Errc::denied, fmt::format("would take about {:.0f} ms, the deadline is {} ms",
                                               candidate.latency_ms, *deadline)};
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

Decision unknown_model(const RequestFacts& facts, const Policy& policy) {
  std::string known = "auto, local";
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

Candidate forecast(const RequestFacts& facts, const Target& target, const TargetState& state) {
  const uint32_t n_output =
      facts.max_tokens ? std::min(facts.max_tokens, kTypicalOutput) : kTypicalOutput;
  const Price price = target.price.value_or(Price{});
  Candidate candidate;
  candidate.target = target.name;
  candidate.quality = target.quality;
  candidate.cost_usd =
      (static_cast<double>(facts.n_prompt_estimate) * price.input + n_output * price.output) / 1e6;
  candidate.latency_ms = predict_ms(facts, target, state, n_output);
  return candidate;
}

bool glob(const std::string& pattern, const std::string& text) {
  if (::fnmatch(pattern.c_str(), text.c_str(), 0) == 0) return true;
  // "**/x" also means x at the top.
  return pattern.starts_with("**/") && ::fnmatch(pattern.c_str() + 3, text.c_str(), 0) == 0;
}

bool matches(const std::string& rule, const Source& source) {
  if (rule.starts_with("repo:")) return source.repo && glob(rule.substr(5), *source.repo);
  if (rule.starts_with("tool:")) return source.tool && glob(rule.substr(5), *source.tool);
  // "lib/../src/a.cc" is in src/, however it is spelled.
  return source.path &&
         glob(rule, std::filesystem::path(*source.path).lexically_normal().generic_string());
}

}  // namespace

Decision decide(const RequestFacts& facts, const Policy& policy,
                const std::vector<TargetState>& states) {
  assert(states.size() == policy.targets.size());
  const bool is_known =
      std::ranges::any_of(policy.targets, [&](const Target& t) { return names(facts, t); });
  if (!is_known && !policy.targets.empty()) return unknown_model(facts, policy);

  Decision decision;
  const TaskRule& rule = rule_of(policy, facts.task);
  auto rank = [](const Target& target, const Candidate& candidate) {
    return std::tuple(candidate.cost_usd, target.trust, candidate.latency_ms);
  };
  const Target* best = nullptr;
  Candidate best_candidate;
  size_t n_kept = 0;
  std::optional<Errc> shared_code;  // of all exclusions of targets that were meant
  for (size_t i = 0; i < policy.targets.size(); ++i) {
    const Target& target = policy.targets[i];
    Candidate candidate = forecast(facts, target, states[i]);
    candidate.excluded_by = not_meant(facts, rule, target);
    if (!candidate.excluded_by)
      if (auto excluded = exclusion(facts, policy, rule, target, states[i], candidate)) {
        candidate.excluded_by = std::move(excluded->why);
        shared_code =
            shared_code.value_or(excluded->code) == excluded->code ? excluded->code : Errc::denied;
      }
    decision.candidates.push_back(candidate);
    if (candidate.excluded_by) continue;
    ++n_kept;
    if (best && rank(target, candidate) >= rank(*best, best_candidate)) continue;
    best = &target;
    best_candidate = candidate;
  }
  if (!best) {
    decision.refused_as = shared_code.value_or(Errc::denied);
    decision.reason = reason_of_refusal(decision);
    return decision;
  }
  decision.target = best->name;
  decision.model = best->model;
  decision.reason =
      n_kept == 1
          ? fmt::format("{} is the only target that passes the policy", best->name)
          : fmt::format("{} is the cheapest of {} targets that pass the policy, at about ${:.6f}",
                        best->name, n_kept, best_candidate.cost_usd);
  return decision;
}

std::vector<std::string> labels_of(const Policy& policy, const Block& block) {
  std::vector<std::string> labels = block.labels;
  if (!block.source) return labels;
  for (const LabelRule& rule : policy.labels) {
    bool is_match =
        std::ranges::any_of(rule.match, [&](const auto& m) { return matches(m, *block.source); });
    if (is_match && std::ranges::count(labels, rule.name) == 0) labels.push_back(rule.name);
  }
  return labels;
}

}  // namespace hearth::router
