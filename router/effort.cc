#include "router/effort.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "providers/openai_parts.h"

namespace hearth::router {

namespace {

static_assert(Levels::static_capacity == std::size(EnumNames<Effort>::names));

// Answers are short when nobody says how long: used for cost and time forecasts only.
constexpr double kTypicalOutput = 400;

// Of a level: tokens beside those of an answer without a thought, and how far its answers are
// better in log-odds. Thinking halves or doubles what is written [vLLM semantic router, "When to
// reason", 2025]; outcomes soon say more.
struct Usual {
  double factor, better;
};
constexpr Usual kUsual[] = {{1, -0.75},  {1.2, -0.5}, {1.5, -0.25}, {2, 0},
                            {3.5, 0.25}, {5, 0.35},   {7, 0.45}};
static_assert(std::size(kUsual) == std::size(EnumNames<Effort>::names));
constexpr Effort kMiddle = Effort::medium;  // what a target's own figures are of

const Usual& usual(Effort effort) { return kUsual[static_cast<size_t>(effort)]; }

double shifted(double quality, double by) {
  if (quality <= 0 || quality >= 1) return quality;
  return 1 / (1 + std::exp(-std::log(quality / (1 - quality)) - by));
}

const EffortChoice* choice_of(const Target& target, Effort effort) {
  auto found = std::ranges::find(target.efforts, effort, &EffortChoice::effort);
  return found == target.efforts.end() ? nullptr : &*found;
}

// What was learned without regard to the level, as of this one.
Belief scaled(Belief belief, Effort effort) {
  const double ratio = usual(effort).factor / usual(kMiddle).factor;
  for (std::optional<Spread>* amount : {&belief.n_output, &belief.latency_ms})
    if (*amount) *amount = Spread{(*amount)->mean * ratio, (*amount)->sd * ratio};
  if (belief.quality) belief.quality->mean = shifted(belief.quality->mean, usual(effort).better);
  return belief;
}

}  // namespace

std::optional<Effort> asked_effort(const ReasoningControls& asked) {
  if (auto effort = openai::effort_of(asked)) return effort;
  if (asked.enabled) return kMiddle;  // switched on, and no more
  return std::nullopt;
}

Levels levels_of(const RequestFacts& facts, const Policy& policy, const Target& target) {
  Levels levels;
  if (facts.effort) {
    levels.push_back(facts.effort);
    return levels;
  }
  auto rule = policy.tasks.find(facts.task);
  const auto of_class = rule == policy.tasks.end() ? std::nullopt : rule->second.effort;
  if (target.efforts.empty() || of_class) {
    levels.push_back(target.effort ? target.effort : of_class);
    return levels;
  }
  for (const EffortChoice& choice : target.efforts)
    if (levels.size() < levels.capacity()) levels.push_back(choice.effort);
  return levels;
}

bool is_toggle(std::optional<Effort> from, std::optional<Effort> to) {
  return from && to && (*from == Effort::none) != (*to == Effort::none);
}

double thought_factor(Effort effort) { return usual(effort).factor; }

AtLevel at_level(const Target& target, const TargetState& state, std::optional<Effort> effort) {
  AtLevel at{state.belief, state.warm, target.quality, kTypicalOutput, state.means.needed};
  if (target.efforts.empty() || !effort) return at;
  const EffortChoice* choice = choice_of(target, *effort);
  at.quality =
      choice && choice->quality ? *choice->quality : shifted(target.quality, usual(*effort).better);
  at.n_output =
      choice && choice->n_output ? *choice->n_output : kTypicalOutput * usual(*effort).factor;
  if (const EffortState* known = find_effort(state, effort)) {
    at.belief = known->belief;
    at.warm = known->warm;
    at.needed = known->needed;
  } else {
    at.belief = scaled(state.belief, *effort);
  }
  return at;
}

const EffortState* find_effort(const TargetState& state, std::optional<Effort> effort) {
  if (!effort) return nullptr;
  auto found = std::ranges::find(state.efforts, *effort, &EffortState::effort);
  return found == state.efforts.end() ? nullptr : &*found;
}

void make_levels(const RequestFacts& facts, const Policy& policy, const Target& target,
                 TargetState& state) {
  if (target.efforts.empty()) return;
  for (std::optional<Effort> effort : levels_of(facts, policy, target))
    if (effort && !find_effort(state, effort)) state.efforts.emplace_back().effort = *effort;
  if (state.thinking.value_or(Thinking::by_degrees) == Thinking::by_degrees) return;
  const bool is_fixed = state.thinking == Thinking::fixed;
  for (size_t i = 1; i < state.efforts.size(); ++i) {
    if (is_fixed)
      state.efforts[i].down = "its template has no word for how hard to think";
    else if (state.efforts[i - 1].effort != Effort::none)
      state.efforts[i].down = "its template switches thinking on and off, and no more";
  }
}

void forbid_thoughts(const RequestFacts& facts, const Policy& policy, const Target& target,
                     TargetState& state) {
  for (std::optional<Effort> effort : levels_of(facts, policy, target)) {
    if (!effort || *effort == Effort::none) continue;
    auto level = std::ranges::find(state.efforts, *effort, &EffortState::effort);
    if (level == state.efforts.end()) level = state.efforts.emplace(level);
    level->effort = *effort;
    if (!level->down)
      level->down = "it does not think beside temperature, top_k or a demanded call";
  }
}

std::optional<Effort> best_effort(const Decision& decision, std::string_view target) {
  const Candidate* best = nullptr;
  for (const Candidate& candidate : decision.candidates)
    if (candidate.target == target && !candidate.excluded_by &&
        (!best || candidate.utility_usd > best->utility_usd))
      best = &candidate;
  return best ? best->effort : std::nullopt;
}

std::optional<Effort> effort_at(const Decision& decision, std::string_view target) {
  return target == decision.target ? decision.effort : best_effort(decision, target);
}

std::optional<Effort> answered_effort(const DecisionRecord& record, std::string_view target) {
  const auto& stand_in = record.stand_in;
  return stand_in && stand_in->effort ? stand_in->effort : effort_at(record.decision, target);
}

const Candidate* find_candidate(const Decision& decision, std::string_view target,
                                std::optional<Effort> effort) {
  for (const Candidate& candidate : decision.candidates)
    if (candidate.target == target && candidate.effort == effort) return &candidate;
  return nullptr;
}

size_t place_of(const Decision& decision, size_t candidate) {
  size_t place = 0;
  for (size_t i = 1; i <= candidate; ++i)
    place += decision.candidates[i].target != decision.candidates[i - 1].target;
  return place;
}

std::string level_name(std::string_view target, std::optional<Effort> effort) {
  return effort ? fmt::format("{} at {}", target, enum_name(*effort)) : std::string(target);
}

NamedLevel named_level(std::string_view name) {
  const size_t at = name.rfind('@');
  if (at == name.npos) return {name, std::nullopt};
  const auto effort = enum_from_name<Effort>(name.substr(at + 1));
  return {effort ? name.substr(0, at) : name, effort};
}

std::string outcome_name(std::string_view target, Effort effort) {
  return fmt::format("{}@{}", target, enum_name(effort));
}

std::string outcome_name(std::string_view target, const TargetState& state,
                         std::optional<Effort> effort) {
  return find_effort(state, effort) ? outcome_name(target, *effort) : std::string(target);
}

}  // namespace hearth::router
