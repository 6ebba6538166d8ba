#include "inference/sampling.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <string_view>

namespace hearth {

Result<> check(const Sampling& sampling) {
  struct Field {
    std::string_view name;
    std::optional<float> value;
    SamplingRange range;
  };
  const Field fields[] = {
      {"temperature", sampling.temperature, sampling_range::kTemperature},
      {"topP", sampling.top_p, sampling_range::kProbability},
      {"minP", sampling.min_p, sampling_range::kProbability},
      {"repeatPenalty", sampling.repeat_penalty, sampling_range::kRepeatPenalty},
      {"presencePenalty", sampling.presence_penalty, sampling_range::kAdditivePenalty},
      {"frequencyPenalty", sampling.frequency_penalty, sampling_range::kAdditivePenalty},
  };
  for (const Field& field : fields)
    if (field.value && !field.range.contains(*field.value))
      return Error{Errc::invalid,
                   fmt::format("{}: expected a number from {} to {}, got {}", field.name,
                               field.range.low, field.range.high, *field.value)};
  for (size_t i = 0; i < sampling.logit_bias.size(); ++i) {
    const LogitBias& entry = sampling.logit_bias[i];
    if (entry.token < 0 || std::isnan(entry.bias))
      return Error{Errc::invalid,
                   fmt::format("logitBias[{}]: expected a token of 0 or more and a number, got {} "
                               "and {}",
                               i, entry.token, entry.bias)};
  }
  return {};
}

}  // namespace hearth
