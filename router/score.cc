#include "score.h"

#include <algorithm>
#include <cmath>

namespace hearth::router {

namespace {

// Answers are short when nobody says how long: used for cost and time forecasts only.
constexpr uint32_t kTypicalOutput = 400;

// Figures of a target nobody has measured yet: a small model on two cores; a hosted API.
constexpr double kLocalPrefill = 200, kLocalDecode = 50;
constexpr double kRemoteTtftMs = 800, kRemoteTokensPerS = 60;

// For auto:fast and auto:best: nothing else counts beside it.
constexpr double kPriceless = 1000;

double predict_ms(const RequestFacts& facts, const Target& target, const TargetState& state,
                  uint32_t n_output) {
  double prompt = static_cast<double>(facts.n_prompt_estimate);
  if (target.kind == TargetKind::api)
    return state.queue_ms + target.ttft_ms.value_or(kRemoteTtftMs) +
           1000.0 * n_output / target.tokens_per_s.value_or(kRemoteTokensPerS);
  if (state.forecast)
    return state.forecast->ttft_ms.mean + n_output * state.forecast->token_ms.mean;
  double prefill = state.prefill_tokens_per_s > 0 ? state.prefill_tokens_per_s : kLocalPrefill;
  double decode = state.decode_tokens_per_s > 0 ? state.decode_tokens_per_s
                                                : target.tokens_per_s.value_or(kLocalDecode);
  return state.queue_ms + 1000.0 * (prompt / prefill + n_output / decode);
}

double cost_usd(const RequestFacts& facts, const Target& target, uint32_t n_output) {
  const Price price = target.price.value_or(Price{});
  return (static_cast<double>(facts.n_prompt_estimate) * price.input + n_output * price.output) /
         1e6;
}

}  // namespace

bool is_any(std::string_view model) {
  return model.empty() || model == "auto" || model == "auto:cheap" || model == "auto:fast" ||
         model == "auto:best";
}

Value value_of(const RequestFacts& facts, const Policy& policy) {
  if (facts.model == "auto:cheap") return {};
  if (facts.model == "auto:fast") return {.minute_usd = kPriceless, .success_usd = 0};
  if (facts.model == "auto:best") return {.minute_usd = 0, .success_usd = kPriceless};
  Value value = policy.value;
  auto rule = policy.tasks.find(facts.task);
  if (rule == policy.tasks.end()) return value;
  value.minute_usd = rule->second.minute_usd.value_or(value.minute_usd);
  value.success_usd = rule->second.success_usd.value_or(value.success_usd);
  return value;
}

Candidate forecast(const RequestFacts& facts, const Value& value, const Target& target,
                   const TargetState& state) {
  const uint32_t n_output =
      facts.max_tokens ? std::min(facts.max_tokens, kTypicalOutput) : kTypicalOutput;
  const Belief& belief = state.belief;
  const Spread quality = belief.quality.value_or(Spread{target.quality, 0});
  const Spread cost = belief.cost_usd.value_or(Spread{cost_usd(facts, target, n_output), 0});
  const Spread latency =
      belief.latency_ms.value_or(Spread{predict_ms(facts, target, state, n_output), 0});
  constexpr double kMsPerMinute = 60'000;
  Candidate candidate;
  candidate.target = target.name;
  candidate.quality = quality.mean;
  candidate.cost_usd = cost.mean;
  candidate.latency_ms = latency.mean;
  candidate.utility_usd =
      value.success_usd * quality.mean - cost.mean - value.minute_usd * latency.mean / kMsPerMinute;
  candidate.uncertainty_usd = std::hypot(value.success_usd * quality.sd, cost.sd,
                                         value.minute_usd * latency.sd / kMsPerMinute);
  return candidate;
}

}  // namespace hearth::router
