#include "score.h"

#include <algorithm>
#include <cmath>

namespace hearth::router {

namespace {

// Figures of a target nobody has measured yet: a small model on two cores; a hosted API.
constexpr double kLocalPrefill = 200, kLocalDecode = 50;
constexpr double kRemoteTtftMs = 800, kRemoteTokensPerS = 60;

// For auto:fast and auto:best: nothing else counts beside it.
constexpr double kPriceless = 1000;

struct Times {
  double first_word_ms = 0, total_ms = 0;
};

Times predict_times(const RequestFacts& facts, const Target& target, const TargetState& state,
                    double n_output) {
  Times times;
  if (target.kind == TargetKind::api) {
    times.first_word_ms = state.queue_ms + target.ttft_ms.value_or(kRemoteTtftMs);
    times.total_ms =
        times.first_word_ms + 1000 * n_output / target.tokens_per_s.value_or(kRemoteTokensPerS);
    return times;
  }
  if (state.forecast) {
    times.first_word_ms = state.forecast->ttft_ms.mean;
    times.total_ms = times.first_word_ms + n_output * state.forecast->token_ms.mean;
    return times;
  }
  const double prefill =
      state.prefill_tokens_per_s > 0 ? state.prefill_tokens_per_s : kLocalPrefill;
  const double decode = state.decode_tokens_per_s > 0 ? state.decode_tokens_per_s
                                                      : target.tokens_per_s.value_or(kLocalDecode);
  const double n_cold = static_cast<double>(facts.n_prompt_estimate) -
                        state.warm.chance * static_cast<double>(state.warm.n_tokens);
  times.first_word_ms = state.queue_ms + 1000 * std::max(n_cold, 0.0) / prefill;
  times.total_ms = times.first_word_ms + 1000 * n_output / decode;
  return times;
}

// Reading a prompt of which some may be found in the cache. What is not is written into it where
// the provider charges for that.
double reading_usd(const Rates& rates, double n_prompt, double n_warm, double chance) {
  const double n_found = chance * std::min(n_warm, n_prompt);
  const double cold = std::max(rates.input.usd(), rates.cache_write.usd());
  return n_found * rates.cached.usd() + (n_prompt - n_found) * cold;
}

// This request, and a later one of the same conversation: as long, and mostly read before.
struct Costs {
  double now_usd = 0, later_usd = 0;
};

Costs predict_costs(const RequestFacts& facts, const Value& value, const Target& target,
                    const Warmth& warm, double n_output, double total_ms) {
  Costs costs;
  constexpr double kMsPerHour = 3.6e6;
  const double energy = target.watts / 1000 * total_ms / kMsPerHour * value.kwh_usd;
  costs.now_usd = costs.later_usd = energy;
  if (!target.price) return costs;
  const Rates rates = rates_at(*target.price, facts.n_prompt_estimate, facts.time_ms);
  const auto n_prompt = static_cast<double>(facts.n_prompt_estimate);
  const double answer = n_output * rates.output.usd();
  costs.now_usd +=
      answer + reading_usd(rates, n_prompt, static_cast<double>(warm.n_tokens), warm.chance);
  costs.later_usd += answer + reading_usd(rates, n_prompt + n_output, n_prompt, warm.later);
  return costs;
}

}  // namespace

bool is_any(std::string_view model) {
  return model.empty() || model == "auto" || model == "auto:cheap" || model == "auto:fast" ||
         model == "auto:best";
}

Value value_of(const RequestFacts& facts, const Policy& policy) {
  Value value = policy.value;
  if (facts.model.starts_with("auto:")) value.minute_usd = value.success_usd = 0;
  if (facts.model == "auto:cheap") return value;
  if (facts.model == "auto:fast") value.minute_usd = kPriceless;
  if (facts.model == "auto:best") value.success_usd = kPriceless;
  if (facts.model.starts_with("auto:")) return value;
  auto rule = policy.tasks.find(facts.task);
  if (rule == policy.tasks.end()) return value;
  value.minute_usd = rule->second.minute_usd.value_or(value.minute_usd);
  value.success_usd = rule->second.success_usd.value_or(value.success_usd);
  return value;
}

void forecast(const RequestFacts& facts, const Value& value, const Target& target,
              const TargetState& state, const AtLevel& at, Candidate& candidate) {
  const Belief& belief = at.belief;
  double n_output = belief.n_output ? belief.n_output->mean : at.n_output;
  if (facts.max_tokens) n_output = std::min<double>(n_output, facts.max_tokens);
  if (facts.only_reads) n_output = 0;
  const Times times = predict_times(facts, target, state, n_output);
  const Spread latency = belief.latency_ms.value_or(Spread{times.total_ms, 0});
  const Costs costs = predict_costs(facts, value, target, at.warm, n_output, times.total_ms);
  const Spread cost = belief.cost_usd.value_or(Spread{costs.now_usd, 0});
  const double later_usd = belief.cost_usd ? belief.cost_usd->mean : costs.later_usd;
  const Spread quality = belief.quality.value_or(Spread{at.quality, 0});

  constexpr double kMsPerMinute = 60'000;
  const double n = 1 + facts.n_to_come;
  const double cost_usd = (cost.mean + facts.n_to_come * later_usd) / n;
  candidate.target = target.name;
  candidate.quality = quality.mean;
  candidate.cost_usd = cost.mean;
  candidate.later_usd = later_usd;
  candidate.latency_ms = latency.mean;
  candidate.first_word_ms = std::min(times.first_word_ms, latency.mean);
  candidate.utility_usd = value.success_usd * (quality.mean - value.risk * quality.sd) - cost_usd -
                          value.minute_usd * latency.mean / kMsPerMinute;
  candidate.uncertainty_usd = std::hypot(value.success_usd * quality.sd, cost.sd,
                                         value.minute_usd * latency.sd / kMsPerMinute);
  candidate.propensity = 0;
}

}  // namespace hearth::router
