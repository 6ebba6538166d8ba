// Picks the next token from logits. Deterministic for a seed; temperature 0 is greedy with the
// lowest id on ties. Lives on the engine thread, one per request.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "inference/completion.h"
#include "support/result.h"

namespace hearth {

// All members filled: request over the model's own defaults over Hearth's.
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

// Errc::invalid for values that mean nothing (NaN, negative temperature, ids outside the vocabulary).
Result<SamplerSettings> resolve(const Sampling& request, const Sampling& model_defaults,
                                uint32_t n_vocab);

class Sampler {
 public:
  explicit Sampler(SamplerSettings settings);

  // May reorder or change `logits`.
  Token sample(std::span<float> logits);
  // A token that became part of the text (prompt or answer): penalties look at the last 256.
  void accept(Token token);

  uint64_t seed() const { return settings_.seed; }

 private:
  SamplerSettings settings_;
  std::mt19937_64 random_;
  std::vector<Token> recent_;
};

}  // namespace hearth
