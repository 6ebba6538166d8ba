// Rotary position embedding: the angles. Backend::rope() turns the heads by them.
//
// Pair i of a head at position p turns by p * frequency[i], where frequency[i] =
// base^(-2i/n_rot), stretched for contexts longer than the trained one:
//   rope factors (a tensor, Llama 3.1): frequency / factor_i
//   linear: frequency / factor
//   yarn (Peng et al., 2023): pairs that turn fast keep their frequency, slow ones get
//     frequency / factor, with a ramp between, and cos and sin are scaled by the magnitude.
// The ramp's ends are rounded outwards to whole pairs, as transformers does, unless the plan says
// that its family was trained without.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/plan.h"

namespace hearth {

class RopeAngles {
 public:
  // factors: n_rot / 2 divisors, or empty.
  RopeAngles(const Rope& rope, std::span<const float> factors);

  size_t n_pairs() const { return frequencies_.size(); }

  // cos, sin of each pair at one position: 2 * n_pairs() floats.
  void at(uint32_t position, float* cos_sin) const;

 private:
  std::vector<float> frequencies_;
  float magnitude_ = 1.f;
};

}  // namespace hearth
