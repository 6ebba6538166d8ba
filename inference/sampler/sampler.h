// Picks the next token from logits. Deterministic for a seed; temperature 0 is greedy with the
// lowest id on ties. Lives on the engine thread, one per request.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "sampler/candidates.h"
#include "sampler/settings.h"

namespace hearth {

class Sampler {
 public:
  explicit Sampler(SamplerSettings settings);

  // May change `logits`. NaN counts as excluded, +inf as the largest number. -1 when every token
  // is excluded (by biases, or a model that gives nothing else).
  Token sample(std::span<float> logits);
  // A token that became part of the text (prompt or answer): penalties look at the last 256.
  void accept(Token token);

  uint64_t seed() const { return settings_.seed; }

 private:
  void apply_bias(std::span<float> logits) const;
  void apply_penalties(std::span<float> logits) const;
  Token draw();

  SamplerSettings settings_;
  std::mt19937_64 random_;
  std::vector<Token> recent_;          // oldest first
  std::vector<Candidate> candidates_;  // of the token being picked; kept for its memory
};

}  // namespace hearth
