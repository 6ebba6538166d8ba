#include "router/policy.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cassert>
#include <filesystem>

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

// The first rule that keeps this target from being used, in words that name the fact.
std::optional<std::string> excluded_by(const RequestFacts& facts, const Policy& policy,
                                       const TaskRule& rule, const Target& target,
                                       const TargetState& state, const Candidate& candidate) {
  bool asked_by_name = facts.model == target.name || facts.model == target.model;
  if (!names(facts, target)) return fmt::format("the request asks for \"{}\"", facts.model);
  if (!rule.targets.empty() && !asked_by_name && std::ranges::count(rule.targets, target.name) == 0)
    return fmt::format("class {} lists other targets", enum_name(facts.task));
  auto [trust, label] = required_trust(facts, policy);
  if (target.trust > trust)
    return label.empty() ? fmt::format("trust {} is below the policy's floor {}",
                                       enum_name(target.trust), enum_name(trust))
                         : fmt::format("label \"{}\" allows trust {} at most, the target has {}",
                                       label, enum_name(trust), enum_name(target.trust));
  if (facts.needs_tools && !target.has_tools) return "it cannot call tools";
  if (facts.needs_images && !target.has_images) return "it cannot read images";
  if (facts.is_bare_prompt && !target.has_bare_prompt) return "it takes conversations only";
  if (state.down) return *state.down;
  uint32_t n_context = state.n_context ? state.n_context : target.n_context;
  // An engine counts exactly and refuses with both numbers; a remote context is judged here.
  if (target.kind == TargetKind::api && n_context && facts.n_prompt_estimate >= n_context)
    return fmt::format("about {} prompt tokens, its context is {}", facts.n_prompt_estimate,
                       n_context);
  if (!asked_by_name && candidate.quality < rule.min_quality)
    return fmt::format("quality {:.2f} is below the floor {:.2f} of class {}", candidate.quality,
                       rule.min_quality, enum_name(facts.task));
  auto deadline = facts.deadline_ms ? facts.deadline_ms : rule.deadline_ms;
  if (!asked_by_name && deadline && candidate.latency_ms > *deadline)
    return fmt::format("would take about {:.0f} ms, the deadline is {} ms", candidate.latency_ms,
                       *deadline);
  return std::nullopt;
}

std::string refusal(const Decision& decision) {
  std::string reason = "no target is left:";
  for (const Candidate& candidate : decision.candidates)
    reason += fmt::format(" {}: {};", candidate.target, candidate.excluded_by.value_or(""));
  if (decision.candidates.empty())
    return "no target is configured and no model is pulled: run `hearth pull`, or add a "
           "[target.NAME]";
  reason.pop_back();
  return reason;
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

Result<Decision> decide(const RequestFacts& facts, const Policy& policy,
                        const std::vector<TargetState>& states) {
  assert(states.size() == policy.targets.size());
  bool is_named =
      std::ranges::any_of(policy.targets, [&](const Target& t) { return names(facts, t); });
  if (!is_named && !policy.targets.empty()) {
    std::string known = "auto, local";
    for (const Target& target : policy.targets)
      known += fmt::format(", {}{}", target.name,
                           target.model.empty() || target.model == target.name
                               ? ""
                               : fmt::format(" ({})", target.model));
    return Error{Errc::not_found,
                 fmt::format("model \"{}\" is not known here; known are: {}", facts.model, known)};
  }

  Decision decision;
  decision.id = facts.id;
  const TaskRule& rule = rule_of(policy, facts.task);
  uint32_t n_output =
      facts.max_tokens ? std::min(facts.max_tokens, kTypicalOutput) : kTypicalOutput;
  const Target* best = nullptr;
  Candidate best_candidate;
  size_t n_kept = 0;
  for (size_t i = 0; i < policy.targets.size(); ++i) {
    const Target& target = policy.targets[i];
    Candidate candidate;
    candidate.target = target.name;
    candidate.quality = target.quality;
    candidate.cost_usd = (static_cast<double>(facts.n_prompt_estimate) * target.price.input +
                          n_output * target.price.output) /
                         1e6;
    candidate.latency_ms = predict_ms(facts, target, states[i], n_output);
    candidate.excluded_by = excluded_by(facts, policy, rule, target, states[i], candidate);
    decision.candidates.push_back(candidate);
    if (candidate.excluded_by) continue;
    ++n_kept;
    bool is_better = !best || std::pair(candidate.cost_usd, candidate.latency_ms) <
                                  std::pair(best_candidate.cost_usd, best_candidate.latency_ms);
    if (!is_better) continue;
    best = &target;
    best_candidate = candidate;
  }
  if (!best) {
    decision.reason = refusal(decision);
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
