// What the numbers of a Sampling may be: for those who take requests, and for the sampler itself.
// Plain data, any thread.
#pragma once

#include "inference/completion.h"
#include "support/result.h"

namespace hearth {

struct SamplingRange {
  float low, high;
  bool contains(float value) const { return value >= low && value <= high; }  // NaN: no
};

namespace sampling_range {

inline constexpr float kLargest = 1e9f;  // of values that have no natural upper end
inline constexpr SamplingRange kTemperature{0, kLargest};
inline constexpr SamplingRange kProbability{0, 1};
inline constexpr SamplingRange kRepeatPenalty{1e-3f, kLargest};
inline constexpr SamplingRange kAdditivePenalty{-kLargest, kLargest};

}  // namespace sampling_range

// Whether any sampler takes it, its vocabulary aside. Errc::invalid names the field as the native
// protocol does: "topP: expected a number from 0 to 1, got 3".
Result<> check(const Sampling& sampling);

}  // namespace hearth
