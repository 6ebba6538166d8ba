#include "sampler/settings.h"

#include <fmt/format.h>

#include <cmath>
#include <random>

#include "inference/sampling.h"

namespace hearth {

namespace {

using namespace sampling_range;
using Range = SamplingRange;

// The request's value, else the model's, else what `out` already holds.
Result<> choose(std::string_view name, std::optional<float> request, std::optional<float> model,
                Range range, float& out) {
  if (request && !range.contains(*request))
    return Error{Errc::invalid, fmt::format("{} is {}, expected a number from {} to {}", name,
                                            *request, range.low, range.high)};
  if (model && range.contains(*model)) out = *model;
  if (request) out = *request;
  return {};
}

uint64_t random_seed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

std::optional<float> number(const gguf::File& file, std::string_view key, Range range) {
  const gguf::Value* value = file.find(key);
  if (!value) return std::nullopt;
  std::optional<double> read = value->as_float();
  if (!read || !range.contains(static_cast<float>(*read))) return std::nullopt;
  return static_cast<float>(*read);
}

}  // namespace

Result<SamplerSettings> resolve(const Sampling& request, const Sampling& model, uint32_t n_vocab) {
  SamplerSettings out;
  struct Choice {
    std::string_view name;
    std::optional<float> request, model;
    Range range;
    float& out;
  };
  const Choice choices[] = {
      {"temperature", request.temperature, model.temperature, kTemperature, out.temperature},
      {"top_p", request.top_p, model.top_p, kProbability, out.top_p},
      {"min_p", request.min_p, model.min_p, kProbability, out.min_p},
      {"repeat_penalty", request.repeat_penalty, model.repeat_penalty, kRepeatPenalty,
       out.repeat_penalty},
      {"presence_penalty", request.presence_penalty, model.presence_penalty, kAdditivePenalty,
       out.presence_penalty},
      {"frequency_penalty", request.frequency_penalty, model.frequency_penalty, kAdditivePenalty,
       out.frequency_penalty},
  };
  for (const Choice& c : choices)
    if (auto done = choose(c.name, c.request, c.model, c.range, c.out); !done) return done.error();

  out.top_k = request.top_k.value_or(model.top_k.value_or(out.top_k));
  out.seed = request.seed ? *request.seed : random_seed();
  for (const LogitBias& entry : request.logit_bias) {
    if (entry.token < 0 || static_cast<uint32_t>(entry.token) >= n_vocab)
      return Error{Errc::invalid,
                   fmt::format("logit_bias: token {} is not in the vocabulary of {} tokens",
                               entry.token, n_vocab)};
    if (std::isnan(entry.bias))
      return Error{Errc::invalid, fmt::format("logit_bias: the bias of token {} is not a "
                                              "number",
                                              entry.token)};
  }
  out.logit_bias = request.logit_bias;
  return out;
}

Sampling sampling_defaults(const gguf::File& file) {
  Sampling out;
  out.temperature = number(file, "general.sampling.temp", kTemperature);
  out.top_p = number(file, "general.sampling.top_p", kProbability);
  out.min_p = number(file, "general.sampling.min_p", kProbability);
  out.repeat_penalty = number(file, "general.sampling.penalty_repeat", kRepeatPenalty);
  const gguf::Value* top_k = file.find("general.sampling.top_k");
  if (std::optional<uint64_t> k = top_k ? top_k->as_uint() : std::nullopt; k && *k <= UINT32_MAX)
    out.top_k = static_cast<uint32_t>(*k);
  return out;
}

}  // namespace hearth
