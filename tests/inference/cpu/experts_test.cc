#include "backend/cpu/experts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "backend/cpu/cpu_backend.h"
#include "inference/cpu/paths.h"
#include "inference/cpu/tensors.h"

namespace hearth::cpu {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

Choice route_one(const Router& router, const std::vector<float>& logits,
                 const float* bias = nullptr) {
  ThreadPool pool(1);
  return route({pool, Path::scalar}, router, logits.data(), bias, 1);
}

TEST(Routing, SoftmaxIsOverAllExperts) {
  const Choice choice = route_one({.n_experts = 4, .n_used = 2}, {0, 2, 1, -1});
  EXPECT_THAT(choice.experts, ElementsAre(1, 2));
  const double sum = 1 + std::exp(2.0) + std::exp(1.0) + std::exp(-1.0);
  EXPECT_NEAR(choice.weights[0], std::exp(2.0) / sum, 1e-6);
  EXPECT_NEAR(choice.weights[1], std::exp(1.0) / sum, 1e-6);
}

TEST(Routing, WeightsMayBeNormalizedAndScaled) {
  const Choice choice =
      route_one({.n_experts = 4, .n_used = 2, .normalizes = true, .scale = 2.5f}, {0, 2, 1, -1});
  EXPECT_NEAR(choice.weights[0] + choice.weights[1], 2.5, 1e-6);
  EXPECT_NEAR(choice.weights[0] / choice.weights[1], std::exp(1.0), 1e-5);
}

TEST(Routing, SoftmaxMayBeOverTheChosen) {
  const Choice choice =
      route_one({.gating = Gating::chosen_softmax, .n_experts = 4, .n_used = 2}, {0, 2, 1, -1});
  EXPECT_THAT(choice.experts, ElementsAre(1, 2));
  EXPECT_NEAR(choice.weights[0], 1 / (1 + std::exp(-1.0)), 1e-6);
}

TEST(Routing, BiasDecidesTheChoiceButNotTheWeight) {
  const float bias[] = {1, 0, 0, 0};
  const Choice choice =
      route_one({.gating = Gating::sigmoid, .n_experts = 4, .n_used = 1}, {0, 2, 1, -1}, bias);
  EXPECT_THAT(choice.experts, ElementsAre(0));
  EXPECT_FLOAT_EQ(choice.weights[0], 0.5f);
}

// The bias takes two experts that the softmax gave next to nothing.
TEST(Routing, WeightsOfUnlikelyExpertsStillSumToOne) {
  const float bias[] = {-2, 0, 0, 0};
  const Choice choice =
      route_one({.n_experts = 4, .n_used = 2, .normalizes = true}, {20, 1, 0, -1}, bias);
  EXPECT_THAT(choice.experts, ElementsAre(1, 2));
  EXPECT_NEAR(choice.weights[0] + choice.weights[1], 1, 1e-6);
}

TEST(Routing, TheFirstOfEqualsIsChosen) {
  const Choice choice = route_one({.n_experts = 5, .n_used = 3}, {1, 2, 1, 2, 1});
  EXPECT_THAT(choice.experts, ElementsAre(1, 3, 0));
}

// Groups of two: {0, 5}, {4, 3}, {1, 1}. The best single expert is in the first, the best pair in
// the second.
TEST(Routing, GroupsAreJudgedByTheirTwoBest) {
  const Router router{.gating = Gating::chosen_softmax,
                      .n_experts = 6,
                      .n_used = 2,
                      .n_groups = 3,
                      .n_groups_used = 1};
  EXPECT_THAT(route_one(router, {0, 5, 4, 3, 1, 1}).experts, ElementsAre(2, 3));
}

TEST(Routing, LogitsThatAreNoNumbersStillChooseDifferentExperts) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::vector<float>& logits :
       {std::vector<float>{nan, nan, nan, nan}, {1, nan, INFINITY, -INFINITY}}) {
    const Choice choice = route_one({.n_experts = 4, .n_used = 3}, logits);
    EXPECT_EQ(std::set(choice.experts.begin(), choice.experts.end()).size(), 3u);
    for (uint32_t expert : choice.experts) EXPECT_LT(expert, 4u);
    EXPECT_FALSE(std::isfinite(choice.weights[0] + choice.weights[1] + choice.weights[2]));
  }
}

class Experts : public EveryPath {
 protected:
  static constexpr size_t kWidth = 64, kInner = 96, kExperts = 6, kUsed = 2, kTokens = 41;

  // A stack of random matrices, and the memory it lies in. Their rows fill whole strips.
  struct Stack {
    Packed packed;
    Weight stack() const {
      return {.type = packed.matrix.type,
              .cols = packed.matrix.cols,
              .rows = packed.matrix.rows / kExperts,
              .n_stacked = kExperts,
              .data = {std::shared_ptr<const std::byte>(), packed.bytes.data()},
              .strip_rows = packed.matrix.strip_rows};
    }
    Matrix matrix(size_t expert) const {
      Matrix matrix = packed.matrix;
      matrix.rows /= kExperts;
      matrix.data += expert * bytes_of(matrix);
      return matrix;
    }
  };

  explicit Experts(gguf::Type type = gguf::Type::q8_0)
      : gate_{{random_weights(type, kWidth, kExperts * kInner, 1), path()}},
        up_{{random_weights(type, kWidth, kExperts * kInner, 2), path()}},
        down_{{random_weights(type, kInner, kExperts * kWidth, 3), path()}} {}

  Backend::Experts experts() const {
    return {.router = {.n_experts = kExperts, .n_used = kUsed, .normalizes = true},
            .choice_bias = nullptr,
            .gate = gate_.stack(),
            .up = up_.stack(),
            .down = down_.stack(),
            .gate_bias = {},
            .up_bias = {},
            .down_bias = {},
            .activation = Activation::silu};
  }

  std::vector<float> run(ThreadPool& pool, const float* logits, const float* x, size_t n) {
    std::vector<float> gate(n * kUsed * kInner), up(gate.size()), down(n * kUsed * kWidth);
    std::vector<float> out(n * kWidth);
    run_experts({pool, path()}, experts(), logits, x, n, {gate.data(), up.data(), down.data()},
                out.data());
    return out;
  }

  const Stack gate_, up_, down_;
  const std::vector<float> x_ = random_floats(kTokens * kWidth, 4);
  const std::vector<float> logits_ = random_floats(kTokens * kExperts, 5, 2);
  ThreadPool one_thread_{1}, three_threads_{3};
};

TEST_P(Experts, GiveWhatTheirFeedForwardsGiveOneByOne) {
  const Machine machine{one_thread_, path()};
  const Choice choice = route(machine, experts().router, logits_.data(), nullptr, kTokens);
  std::vector<float> expected(kTokens * kWidth);
  for (size_t pair = 0; pair < kTokens * kUsed; pair++) {
    const size_t t = pair / kUsed, expert = choice.experts[pair];
    std::vector<float> gate(kInner), up(kInner), down(kWidth);
    matmul(machine, gate_.matrix(expert), &x_[t * kWidth], 1, gate.data(), kInner);
    matmul(machine, up_.matrix(expert), &x_[t * kWidth], 1, up.data(), kInner);
    activate(machine, Activation::silu, gate.data(), up.data(), kInner, gate.data());
    matmul(machine, down_.matrix(expert), gate.data(), 1, down.data(), kWidth);
    for (size_t i = 0; i < kWidth; i++) expected[t * kWidth + i] += choice.weights[pair] * down[i];
  }
  EXPECT_EQ(run(three_threads_, logits_.data(), x_.data(), kTokens), expected);
}

TEST_P(Experts, GiveTheSameBitsForAnyBatchAndThreadCount) {
  const std::vector<float> all = run(one_thread_, logits_.data(), x_.data(), kTokens);
  EXPECT_EQ(run(three_threads_, logits_.data(), x_.data(), kTokens), all);
  for (size_t n : {size_t{1}, size_t{4}, size_t{13}}) {
    for (size_t first = 0; first + n <= kTokens; first += n) {
      const std::vector<float> some =
          run(three_threads_, &logits_[first * kExperts], &x_[first * kWidth], n);
      ASSERT_TRUE(are_same(some.data(), &all[first * kWidth], n * kWidth))
          << n << " from " << first;
    }
  }
}

HEARTH_FOR_EVERY_PATH(Experts);

}  // namespace
}  // namespace hearth::cpu
