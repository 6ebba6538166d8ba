#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "inference/cpu/paths.h"
#include "inference/cpu/tensors.h"

namespace hearth::cpu {
namespace {

class FloatOps : public EveryPath {
 protected:
  Machine machine() { return {one_thread_, path()}; }
  Machine threaded() { return {three_threads_, path()}; }

  ThreadPool one_thread_{1};
  ThreadPool three_threads_{3};
};

TEST_P(FloatOps, RmsNormMatchesTheDoubleReference) {
  for (size_t width : {size_t{1}, size_t{7}, size_t{64}, size_t{576}, size_t{5000}}) {
    constexpr size_t kRows = 40;
    const std::vector<float> x = random_floats(kRows * width, 1, 3);
    const std::vector<float> weight = random_floats(width, 2);
    std::vector<double> expected(kRows * width);
    for (size_t r = 0; r < kRows; r++) {
      double sum = 0;
      for (size_t i = 0; i < width; i++) sum += double{x[r * width + i]} * x[r * width + i];
      const double norm = std::sqrt(sum / static_cast<double>(width) + 1e-5);
      for (size_t i = 0; i < width; i++) {
        expected[r * width + i] = x[r * width + i] / norm * weight[i];
      }
    }
    std::vector<float> out(x.size());
    normalize(threaded(), NormKind::rms, x.data(), weight.data(), nullptr, 1e-5f, width, kRows,
              out.data());
    EXPECT_LT(normalised_error(out, expected), 1e-13) << width;

    std::vector<float> in_place = x;
    normalize(machine(), NormKind::rms, in_place.data(), weight.data(), nullptr, 1e-5f, width,
              kRows, in_place.data());
    EXPECT_EQ(in_place, out) << width;
    std::vector<float> last(width);
    const float* last_x = x.data() + (kRows - 1) * width;
    normalize(machine(), NormKind::rms, last_x, weight.data(), nullptr, 1e-5f, width, 1,
              last.data());
    EXPECT_TRUE(are_same(last.data(), out.data() + (kRows - 1) * width, width)) << width;
  }
}

// SiLU and its product, relative to the double reference, over the range that floats can take.
TEST_P(FloatOps, SiluIsAccurateToThreeRoundings) {
  std::vector<float> gate;
  for (float g = -80; g < 80; g += 0.00731f) gate.push_back(g);
  for (float g : {0.0f, -0.0f, 1e-30f, -1e-30f, 1e-7f, -1e-7f}) gate.push_back(g);
  const std::vector<float> up = random_floats(gate.size(), 3);
  std::vector<float> act(gate.size());
  activate(threaded(), Activation::silu, gate.data(), up.data(), gate.size(), act.data());
  for (size_t i = 0; i < gate.size(); i++) {
    const double g = gate[i];
    const double expected = g / (1 + std::exp(-g)) * up[i];
    EXPECT_NEAR(act[i], expected, 4e-7 * std::abs(expected)) << "silu(" << gate[i] << ")";
  }
}

TEST_P(FloatOps, SiluOfExtremesGoesToItsLimits) {
  const std::vector<float> gate = {-1e30f, -100, 100, 1e30f}, up(4, 1);
  std::vector<float> act(4);
  activate(machine(), Activation::silu, gate.data(), up.data(), 4, act.data());
  EXPECT_NEAR(act[0], 0, 1e-6);
  EXPECT_NEAR(act[1], 0, 1e-6);
  EXPECT_EQ(act[2], 100);
  EXPECT_EQ(act[3], 1e30f);
}

TEST_P(FloatOps, SiluShowsNonFiniteInputs) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> gate = {nan, 1, INFINITY}, up = {1, nan, 1};
  std::vector<float> act(3);
  activate(machine(), Activation::silu, gate.data(), up.data(), 3, act.data());
  for (float a : act) EXPECT_FALSE(std::isfinite(a));
}

// The same element at the start, in the middle and at the end of a call, and in place.
TEST_P(FloatOps, SiluIsTheSameAnywhereInACall) {
  constexpr size_t kCount = 40003;
  const std::vector<float> gate = random_floats(kCount, 4, 3), up = random_floats(kCount, 5);
  std::vector<float> all(kCount);
  activate(machine(), Activation::silu, gate.data(), up.data(), kCount, all.data());
  std::vector<float> in_place = gate;
  activate(threaded(), Activation::silu, in_place.data(), up.data(), kCount, in_place.data());
  EXPECT_EQ(in_place, all);
  for (size_t first : {size_t{0}, size_t{16383}, kCount - 5}) {
    for (size_t n : {size_t{1}, size_t{5}}) {
      std::vector<float> some(n);
      activate(machine(), Activation::silu, gate.data() + first, up.data() + first, n, some.data());
      EXPECT_TRUE(are_same(some.data(), all.data() + first, n)) << first << " + " << n;
    }
  }
}

// The other activations against the double reference, with and without a second factor.
TEST_P(FloatOps, GeluAndGptOssMatchTheDoubleReference) {
  std::vector<float> gate;
  for (float g = -12; g < 12; g += 0.00713f) gate.push_back(g);
  for (float g : {0.0f, -0.0f, 1e-30f, -1e-7f, 100.0f, -100.0f}) gate.push_back(g);
  const std::vector<float> up = random_floats(gate.size(), 3, 5);
  const auto gelu = [](double g) {
    return 0.5 * g * (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g)));
  };
  const auto gpt_oss = [](double g, double u) {
    g = std::min(g, 7.0);
    return g / (1 + std::exp(-1.702 * g)) * (std::clamp(u, -7.0, 7.0) + 1);
  };
  std::vector<float> act(gate.size());
  const auto run = [&](Activation activation, const float* second) {
    activate(threaded(), activation, gate.data(), second, gate.size(), act.data());
  };
  run(Activation::gelu, up.data());
  for (size_t i = 0; i < gate.size(); i++) {
    EXPECT_NEAR(act[i], gelu(gate[i]) * up[i], 1e-6 * (1 + std::abs(gate[i] * up[i]))) << gate[i];
  }
  run(Activation::gelu, nullptr);
  for (size_t i = 0; i < gate.size(); i++) {
    EXPECT_NEAR(act[i], gelu(gate[i]), 1e-6 * (1 + std::abs(gate[i]))) << gate[i];
  }
  run(Activation::gpt_oss, up.data());
  for (size_t i = 0; i < gate.size(); i++) {
    const double expected = gpt_oss(gate[i], up[i]);
    EXPECT_NEAR(act[i], expected, 1e-6 * (1e-3 + std::abs(expected))) << gate[i] << ", " << up[i];
  }
}

TEST_P(FloatOps, ActivationsShowWhatIsNotANumber) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> gate = {nan, 1}, up = {1, nan};
  for (Activation activation : {Activation::silu, Activation::gelu, Activation::gpt_oss}) {
    std::vector<float> act(2);
    activate(machine(), activation, gate.data(), up.data(), 2, act.data());
    for (float a : act) EXPECT_TRUE(std::isnan(a));
  }
}

TEST_P(FloatOps, LayerNormMatchesTheDoubleReference) {
  constexpr size_t kWidth = 577, kRows = 20;
  const std::vector<float> x = random_floats(kRows * kWidth, 1, 3);
  const std::vector<float> weight = random_floats(kWidth, 2), bias = random_floats(kWidth, 3);
  std::vector<double> expected(x.size());
  for (size_t r = 0; r < kRows; r++) {
    double mean = 0, variance = 0;
    for (size_t i = 0; i < kWidth; i++) mean += x[r * kWidth + i] / double{kWidth};
    for (size_t i = 0; i < kWidth; i++)
      variance += std::pow(x[r * kWidth + i] - mean, 2) / double{kWidth};
    for (size_t i = 0; i < kWidth; i++)
      expected[r * kWidth + i] =
          (x[r * kWidth + i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + bias[i];
  }
  std::vector<float> out = x;
  normalize(threaded(), NormKind::layer, out.data(), weight.data(), bias.data(), 1e-5f, kWidth,
            kRows, out.data());
  EXPECT_LT(normalised_error(out, expected), 1e-13);
}

// Rotation by the definition, for a partial n_rot: what lies past it must not change.
TEST_P(FloatOps, RopeRotatesPairs) {
  constexpr size_t kTokens = 35, kHeads = 3, kDim = 16, kRot = 12, kStride = kHeads * kDim + 5;
  const std::vector<float> x = random_floats(kTokens * kStride, 6);
  std::vector<float> cos_sin(kTokens * kRot);
  for (size_t i = 0; i < cos_sin.size(); i += 2) {
    cos_sin[i] = static_cast<float>(std::cos(static_cast<double>(i)));
    cos_sin[i + 1] = static_cast<float>(std::sin(static_cast<double>(i)));
  }
  for (RopeKind kind : {RopeKind::none, RopeKind::norm, RopeKind::neox}) {
    std::vector<double> expected(x.begin(), x.end());
    for (size_t t = 0; kind != RopeKind::none && t < kTokens; t++) {
      for (size_t h = 0; h < kHeads; h++) {
        for (size_t i = 0; i < kRot / 2; i++) {
          const size_t head = t * kStride + h * kDim;
          const size_t a = head + (kind == RopeKind::norm ? 2 * i : i);
          const size_t b = kind == RopeKind::norm ? a + 1 : a + kRot / 2;
          const double cos = cos_sin[t * kRot + 2 * i], sin = cos_sin[t * kRot + 2 * i + 1];
          expected[a] = x[a] * cos - x[b] * sin;
          expected[b] = x[a] * sin + x[b] * cos;
        }
      }
    }
    std::vector<float> actual = x;
    rope(threaded(), kind, actual.data(), kStride, kHeads, kDim, kRot, cos_sin.data(), kTokens);
    for (size_t i = 0; i < x.size(); i++) ASSERT_NEAR(actual[i], expected[i], 1e-6) << i;
  }
}

TEST_P(FloatOps, AddAndBiasAreExact) {
  constexpr size_t kWidth = 577, kRows = 61;
  const std::vector<float> x = random_floats(kWidth * kRows, 7), y = random_floats(x.size(), 8);
  std::vector<float> sum = x, biased = x;
  add(threaded(), sum.data(), y.data(), 1, x.size());
  add_bias(threaded(), biased.data(), y.data(), kWidth, kRows);
  for (size_t i = 0; i < x.size(); i++) {
    ASSERT_EQ(sum[i], x[i] + y[i]);
    ASSERT_EQ(biased[i], x[i] + y[i % kWidth]);
  }
}

HEARTH_FOR_EVERY_PATH(FloatOps);

}  // namespace
}  // namespace hearth::cpu
