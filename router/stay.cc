#include "stay.h"

#include <fmt/format.h>

#include <algorithm>

#include "router/effort.h"

namespace hearth::router {

namespace {

constexpr uint32_t kStuck = 2;  // answers found wrong in a row

bool speaks_alike(const Target& a, const Target& b) {
  return a.kind == b.kind && a.provider == b.provider;
}

}  // namespace

std::optional<std::string> why_stay(const RequestFacts& facts, const Policy& policy,
                                    const Target& stay_target, const Candidate& stay,
                                    const Target& better_target, const Candidate& better) {
  const Past& past = *facts.past;
  const Switching& rule = policy.switching;
  if (&stay_target == &better_target) {  // another effort is no switch
    if (past.is_tool_round && is_toggle(stay.effort, better.effort))
      return "thoughts are not switched on or off while its calls are being answered";
    return std::nullopt;
  }
  if (past.is_tool_round && (past.is_signed || !speaks_alike(stay_target, better_target)))
    return "its calls are still being answered";
  const bool is_stuck = past.n_failed >= kStuck;
  if (past.n_held < rule.hold_turns && past.n_held < past.n_turns && !is_stuck)
    return fmt::format("it was switched to {} requests ago and holds for {}", past.n_held,
                       rule.hold_turns);
  const double gain = better.utility_usd - stay.utility_usd;
  if (gain <= rule.margin_usd)
    return fmt::format("{} gains ${:.6f} a request, no more than the margin", better.target, gain);
  const double reading = std::max(0.0, better.cost_usd - better.later_usd);
  if (rule.max_spend_pct && !is_stuck &&
      past.switching_usd + reading > *rule.max_spend_pct / 100 * (past.spent_usd + stay.cost_usd))
    return fmt::format("reading it anew for ${:.6f} would pass {:.0f} % of what was spent", reading,
                       *rule.max_spend_pct);
  return std::nullopt;
}

}  // namespace hearth::router
