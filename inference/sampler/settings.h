// How a request's tokens are picked, with every member decided: the request's own values over the
// model's defaults (general.sampling.* of its file) over Hearth's.
#pragma once

#include <cstdint>
#include <vector>

#include "gguf/reader.h"
#include "inference/completion.h"
#include "support/result.h"

namespace hearth {

struct SamplerSettings {
  float temperature = 0.8f;
  uint32_t top_k = 40;
  float top_p = 0.95f;
  float min_p = 0.05f;
  float repeat_penalty = 1.f;
  float presence_penalty = 0.f;
  float frequency_penalty = 0.f;
  uint64_t seed = 0;
  std::vector<LogitBias> logit_bias;
};

// Errc::invalid for values that mean nothing (NaN, negative temperature, ids outside the
// vocabulary). An absent seed becomes a random one. Out-of-range model defaults are passed over:
// the file is not the caller's fault.
Result<SamplerSettings> resolve(const Sampling& request, const Sampling& model_defaults,
                                uint32_t n_vocab);

// What the file recommends for itself; members it does not state, or states as nonsense, are
// absent.
Sampling sampling_defaults(const gguf::File& file);

}  // namespace hearth
