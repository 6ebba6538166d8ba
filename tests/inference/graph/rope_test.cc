#include "graph/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace hearth {
namespace {

Rope with_rotation(uint32_t n_rot) { return {.n_rot = n_rot, .original_context = 32}; }

// The angle of each pair at a position, from its cos and sin.
std::vector<double> angles(const Rope& plan, std::vector<float> factors, uint32_t position) {
  const RopeAngles rope(plan, factors);
  std::vector<float> cos_sin(2 * rope.n_pairs());
  rope.at(position, cos_sin.data());
  std::vector<double> out;
  for (size_t i = 0; i < rope.n_pairs(); ++i)
    out.push_back(std::atan2(cos_sin[2 * i + 1], cos_sin[2 * i]));
  return out;
}

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-6) << i;
}

TEST(Rope, PairsTurnSlowerAndSlower) {
  expect_near(angles(with_rotation(8), {}, 1), {1, 0.1, 0.01, 0.001});
  expect_near(angles(with_rotation(8), {}, 3), {3, 0.3, 0.03, 0.003});
}

TEST(Rope, FactorsDivideEachFrequency) {
  expect_near(angles(with_rotation(8), {1, 2, 4, 8}, 1), {1, 0.05, 0.0025, 0.000125});
}

TEST(Rope, LinearScalingDividesEveryFrequency) {
  Rope rope = with_rotation(8);
  rope.scaling = Rope::Scaling::linear;
  rope.factor = 4;
  expect_near(angles(rope, {}, 2), {0.5, 0.05, 0.005, 0.0005});
}

// Models are trained with float32 frequencies, whose last bits show at far positions: torch gives
// these for 1 / 10000 ** (2 i / 64), which are not the rounded true values.
TEST(Rope, FrequenciesAreRoundedAsInTraining) {
  std::vector<float> cos_sin(64);
  RopeAngles(with_rotation(64), {}).at(1, cos_sin.data());
  EXPECT_EQ(cos_sin[2 * 5 + 1], static_cast<float>(std::sin(0x1.e5a846p-3)));
  EXPECT_EQ(cos_sin[2 * 13 + 1], static_cast<float>(std::sin(0x1.84869ep-6)));
  EXPECT_EQ(cos_sin[2 * 29 + 1], static_cast<float>(std::sin(0x1.f1502ap-13)));
}

// With n_rot 16, base 10000 and an original context of 32, pair number
// 16 * ln(32 / (2 pi r)) / (2 ln 10000) is -1.6 for r = 32 and 1.41 for r = 1: the ramp goes from
// pair 0 to pair 2.
TEST(Rope, YarnRampsBetweenWholePairs) {
  Rope rope = with_rotation(16);
  rope.scaling = Rope::Scaling::yarn;
  rope.factor = 4;
  const double f1 = std::pow(10000, -1 / 8.0), f2 = std::pow(10000, -2 / 8.0);
  const std::vector<double> actual = angles(rope, {}, 1);
  EXPECT_NEAR(actual[0], 1, 1e-6);
  EXPECT_NEAR(actual[1], f1 * 0.5 + f1 / 4 * 0.5, 1e-6);
  EXPECT_NEAR(actual[2], f2 / 4, 1e-6);
  EXPECT_NEAR(actual[7], std::pow(10000, -7 / 8.0) / 4, 1e-6);
}

// As above, from pair 0 to pair 1.41: gpt-oss.
TEST(Rope, YarnMayRampBetweenPartsOfPairs) {
  Rope rope = with_rotation(16);
  rope.scaling = Rope::Scaling::yarn;
  rope.factor = 4;
  rope.rounds_ramp = false;
  const double f1 = std::pow(10000, -1 / 8.0),
               slow = 1 / (16 * std::log(32 / 6.283185307) / (2 * std::log(10000)));
  const std::vector<double> actual = angles(rope, {}, 1);
  EXPECT_NEAR(actual[0], 1, 1e-6);
  EXPECT_NEAR(actual[1], f1 * (1 - slow) + f1 / 4 * slow, 1e-6);
}

TEST(Rope, YarnScalesCosAndSin) {
  Rope rope = with_rotation(8);
  rope.scaling = Rope::Scaling::yarn;
  rope.factor = 4;
  rope.magnitude = 1.25f;
  std::vector<float> cos_sin(8);
  RopeAngles(rope, {}).at(5, cos_sin.data());
  for (size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(std::hypot(cos_sin[2 * i], cos_sin[2 * i + 1]), 1.25, 1e-6);
}

}  // namespace
}  // namespace hearth
