#include "graph/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hearth {
namespace {

// The share of interpolation (frequency / factor) at each pair: 0 for the fast ones, 1 for the
// slow.
class YarnRamp {
 public:
  explicit YarnRamp(const Rope& rope) {
    // The pair that turns `rotations` times over the trained context.
    const auto pair_of = [&](double rotations) {
      return rope.n_rot * std::log(rope.original_context / (rotations * 2 * std::numbers::pi)) /
             (2 * std::log(double{rope.base}));
    };
    double low = pair_of(rope.beta_fast), high = pair_of(rope.beta_slow);
    if (rope.rounds_ramp) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low_ = std::max(low, 0.0);
    high_ = std::min(high, rope.n_rot - 1.0);
    if (low_ == high_) high_ += 0.001;
  }

  float at(size_t pair) const {
    const auto low = static_cast<float>(low_), high = static_cast<float>(high_);
    return std::clamp((static_cast<float>(pair) - low) / (high - low), 0.0f, 1.0f);
  }

 private:
  double low_, high_;
};

}  // namespace

// In float32 and in this order, as transformers does: what a model was trained with. A frequency
// that is off by a last bit turns position 640 by 4e-5 more, which unscaled scores (Gemma 4) show.
RopeAngles::RopeAngles(const Rope& rope, std::span<const float> factors)
    : magnitude_(rope.magnitude) {
  for (size_t i = 0; i < rope.n_rot / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(rope.n_rot);
    // Rounded once: the float overload may differ in the last bit between C libraries.
    const float period = static_cast<float>(std::pow(double{rope.base}, double{exponent}));
    float frequency = 1 / period;
    if (!factors.empty()) frequency /= factors[i];
    if (rope.scaling == Rope::Scaling::linear) frequency /= rope.factor;
    if (rope.scaling == Rope::Scaling::yarn) {
      const float fast = 1 - YarnRamp(rope).at(i);
      frequency = 1 / (rope.factor * period) * (1 - fast) + frequency * fast;
    }
    frequencies_.push_back(frequency);
  }
}

// The angle is rounded to float32 before cos and sin, as where the models were trained: at position
// 100,000 the fastest pair is off by 0.004 rad from the true angle, in training as here.
void RopeAngles::at(uint32_t position, float* cos_sin) const {
  for (const float frequency : frequencies_) {
    const float angle = static_cast<float>(position) * frequency;
    *cos_sin++ = magnitude_ * static_cast<float>(std::cos(double{angle}));
    *cos_sin++ = magnitude_ * static_cast<float>(std::sin(double{angle}));
  }
}

}  // namespace hearth
