#include "sampler/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace hearth {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Nothing filtered: tests switch on what they are about.
SamplerSettings plain(float temperature = 1) {
  SamplerSettings settings;
  settings.temperature = temperature;
  settings.top_k = 0;
  settings.top_p = 1;
  settings.min_p = 0;
  settings.seed = 7;
  return settings;
}

Token pick(const SamplerSettings& settings, std::vector<float> logits) {
  return Sampler(settings).sample(logits);
}

std::vector<double> shares(const SamplerSettings& settings, const std::vector<float>& logits,
                           int n) {
  Sampler sampler(settings);
  std::vector<double> counts(logits.size());
  for (int i = 0; i < n; ++i) {
    std::vector<float> copy = logits;
    counts[sampler.sample(copy)] += 1.0 / n;
  }
  return counts;
}

std::vector<double> softmax(const std::vector<float>& logits, double temperature = 1) {
  std::vector<double> out;
  double sum = 0;
  for (float logit : logits) sum += out.emplace_back(std::exp(logit / temperature));
  for (double& p : out) p /= sum;
  return out;
}

void expect_close(const std::vector<double>& actual, const std::vector<double>& expected, int n) {
  for (size_t i = 0; i < expected.size(); ++i)  // five standard deviations of a binomial share
    EXPECT_NEAR(actual[i], expected[i], 5 * std::sqrt(expected[i] * (1 - expected[i]) / n) + 1e-9)
        << i;
}

TEST(Sampler, GreedyTakesTheLowestIdOnTies) {
  EXPECT_EQ(pick(plain(0), {1, 3, 2, 3}), 1);
  EXPECT_EQ(pick(plain(0), {0, 0, 0}), 0);
}

TEST(Sampler, NeverTakesNan) {
  EXPECT_EQ(pick(plain(0), {kNan, 1, kNan, 2}), 3);
  EXPECT_EQ(pick(plain(1), {kNan, 1, kNan, kNan}), 1);
}

TEST(Sampler, TakesPlusInfinityForTheLargestNumber) {
  EXPECT_EQ(pick(plain(0), {1, kInf, kInf, 2}), 1);
  EXPECT_EQ(pick(plain(1), {1, 5, kInf, 2}), 2);
}

TEST(Sampler, SaysWhenEveryTokenIsExcluded) {
  for (float temperature : {0.f, 1.f}) {
    EXPECT_EQ(pick(plain(temperature), {-kInf, kNan, -kInf}), -1);
    EXPECT_EQ(pick(plain(temperature), {}), -1);
  }
}

TEST(Sampler, DrawsFromTheSoftmax) {
  std::vector<float> logits{0, 1, 2, -1, 0.5f, 3};
  expect_close(shares(plain(), logits, 20000), softmax(logits), 20000);
}

TEST(Sampler, TemperatureFlattensAndSharpens) {
  std::vector<float> logits{0, 1, 2};
  expect_close(shares(plain(3), logits, 20000), softmax(logits, 3), 20000);
  expect_close(shares(plain(0.3f), logits, 20000), softmax(logits, 0.3), 20000);
}

TEST(Sampler, TopKKeepsTheKBestAndTheirProportions) {
  SamplerSettings settings = plain();
  settings.top_k = 2;
  std::vector<double> pair = softmax({1, 2});
  expect_close(shares(settings, {0, 1, 2, -1}, 20000), {0, pair[0], pair[1], 0}, 20000);
}

TEST(Sampler, TopPKeepsTheFewestTokensThatHoldTheMass) {
  SamplerSettings settings = plain();
  settings.top_p = 0.7f;  // 0.5 + 0.3 holds it, 0.5 alone does not
  std::vector<float> logits{std::log(0.3f), std::log(0.15f), std::log(0.5f), std::log(0.05f)};
  expect_close(shares(settings, logits, 20000), {0.375, 0, 0.625, 0}, 20000);
}

TEST(Sampler, TopPOfZeroIsGreedy) {
  SamplerSettings settings = plain();
  settings.top_p = 0;
  EXPECT_EQ(pick(settings, {1, 3, 2, 3}), 1);
}

TEST(Sampler, MinPDropsWhatIsFarBelowTheBest) {
  SamplerSettings settings = plain();
  settings.min_p = 0.25f;
  std::vector<float> logits{std::log(0.4f), std::log(0.09f), std::log(0.11f), std::log(0.4f)};
  std::vector<double> actual = shares(settings, logits, 20000);
  EXPECT_EQ(actual[1], 0);
  EXPECT_GT(actual[2], 0.09);
}

TEST(Sampler, FiltersLookAtProbabilitiesBeforeTemperature) {
  SamplerSettings settings = plain(100);  // nearly uniform, yet only two pass top-p
  settings.top_p = 0.7f;
  std::vector<float> logits{std::log(0.3f), std::log(0.15f), std::log(0.5f), std::log(0.05f)};
  std::vector<double> actual = shares(settings, logits, 20000);
  EXPECT_EQ(actual[1] + actual[3], 0);
  EXPECT_NEAR(actual[0], 0.5, 0.03);
}

TEST(Sampler, SameSeedSameTokens) {
  std::vector<float> logits(1000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = std::sin(static_cast<float>(i)) * 4;
  auto draw = [&](uint64_t seed) {
    SamplerSettings settings;
    settings.seed = seed;
    Sampler sampler(settings);
    std::vector<Token> tokens;
    for (int i = 0; i < 50; ++i) {
      std::vector<float> copy = logits;
      tokens.push_back(sampler.sample(copy));
    }
    return tokens;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

TEST(Sampler, BiasAddsAndExcludes) {
  SamplerSettings settings = plain(0);
  settings.logit_bias = {{0, 5}, {1, -100}};
  EXPECT_EQ(pick(settings, {1, 1000, 5}), 0);
}

TEST(Sampler, RepetitionPenaltyLowersLogitsOfEitherSign) {
  SamplerSettings settings = plain(0);
  settings.repeat_penalty = 2;
  Sampler sampler(settings);
  sampler.accept(0);
  sampler.accept(3);
  std::vector<float> logits{4, 1, -5, -1};
  sampler.sample(logits);
  EXPECT_THAT(logits, ElementsAre(2, 1, -5, -2));
}

TEST(Sampler, FrequencyCountsAndPresenceDoesNot) {
  SamplerSettings settings = plain(0);
  settings.frequency_penalty = 0.5f;
  settings.presence_penalty = 2;
  Sampler sampler(settings);
  for (Token token : {1, 1, 1, 2}) sampler.accept(token);
  std::vector<float> logits{10, 10, 10};
  sampler.sample(logits);
  EXPECT_THAT(logits, ElementsAre(10, 6.5, 7.5));
}

TEST(Sampler, PenaltiesForgetAfter256Tokens) {
  SamplerSettings settings = plain(0);
  settings.presence_penalty = 1;
  Sampler sampler(settings);
  sampler.accept(0);
  for (int i = 0; i < 256; ++i) sampler.accept(1);
  std::vector<float> logits{3, 3};
  sampler.sample(logits);
  EXPECT_THAT(logits, ElementsAre(3, 2));
}

// Selection without sorting gives exactly what sorting gives.
class Selection : public ::testing::TestWithParam<int> {
 protected:
  std::vector<float> logits() const {
    std::mt19937 random(GetParam());
    std::vector<float> out(1 + random() % 5000);
    int n_levels = GetParam() % 3 == 0 ? 4 : 100000;  // with many ties, or with few
    float spread = GetParam() % 2 ? 30.f : 0.1f;
    for (float& logit : out)
      logit = static_cast<float>(static_cast<int>(random() % n_levels)) /
              static_cast<float>(n_levels) * spread;
    return out;
  }
  static std::vector<Candidate> sorted(const std::vector<float>& logits) {
    std::vector<Candidate> all;
    select_all(logits, all);
    std::sort(all.begin(), all.end(), is_better);
    return all;
  }
  static std::vector<Token> ids(const std::vector<Candidate>& list) {
    std::vector<Token> out;
    for (const Candidate& c : list) out.push_back(c.id);
    return out;
  }
};

TEST_P(Selection, TopKEqualsSorting) {
  std::vector<float> all = logits();
  std::vector<Candidate> expected = sorted(all), actual;
  for (size_t k : {size_t{1}, size_t{40}, all.size() / 2 + 1}) {
    select_top_k(all, k, actual);
    std::vector<Candidate> head(expected.begin(), expected.begin() + std::min(k, expected.size()));
    EXPECT_EQ(ids(actual), ids(head)) << k;
  }
}

TEST_P(Selection, TopPEqualsSorting) {
  std::vector<float> all = logits();
  for (float p : {0.f, 0.3f, 0.95f, 0.9999f}) {
    std::vector<Candidate> expected = sorted(all), actual;
    cut_top_p(expected, p);
    select_top_p(all, *std::max_element(all.begin(), all.end()), p, actual);
    EXPECT_EQ(ids(actual), ids(expected)) << p;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Selection, ::testing::Range(0, 24));

TEST(SamplerSettings, RequestWinsOverModelOverDefault) {
  Sampling model, request;
  model.temperature = 0.6f;
  model.top_k = 20;
  request.temperature = 0.1f;
  auto settings = resolve(request, model, 100);
  ASSERT_TRUE(settings);
  EXPECT_FLOAT_EQ(settings->temperature, 0.1f);
  EXPECT_EQ(settings->top_k, 20u);
  EXPECT_FLOAT_EQ(settings->top_p, 0.95f);
}

TEST(SamplerSettings, RefusesWhatMeansNothingAndNamesIt) {
  auto check = [](auto set, std::string_view expected) {
    Sampling request;
    set(request);
    auto settings = resolve(request, {}, 100);
    ASSERT_FALSE(settings);
    EXPECT_EQ(settings.error().code, Errc::invalid);
    EXPECT_THAT(settings.error().message, HasSubstr(expected));
  };
  check([](Sampling& s) { s.temperature = kNan; }, "temperature is nan");
  check([](Sampling& s) { s.temperature = -1.f; }, "temperature is -1");
  check([](Sampling& s) { s.temperature = kInf; }, "temperature is inf");
  check([](Sampling& s) { s.top_p = 1.5f; }, "top_p is 1.5");
  check([](Sampling& s) { s.min_p = -0.1f; }, "min_p is");
  check([](Sampling& s) { s.repeat_penalty = 0.f; }, "repeat_penalty is 0");
  check([](Sampling& s) { s.presence_penalty = kNan; }, "presence_penalty");
  check([](Sampling& s) { s.frequency_penalty = kInf; }, "frequency_penalty");
  check([](Sampling& s) { s.logit_bias = {{100, 1}}; },
        "logit_bias: token 100 is not in the vocabulary of 100");
  check([](Sampling& s) { s.logit_bias = {{-1, 1}}; }, "token -1");
  check([](Sampling& s) { s.logit_bias = {{1, kNan}}; }, "not a number");
}

TEST(SamplerSettings, TopKBeyondTheVocabularyIsAll) {
  SamplerSettings settings = plain();
  settings.top_k = UINT32_MAX;
  expect_close(shares(settings, {0, 1}, 20000), softmax({0, 1}), 20000);
}

TEST(SamplerSettings, PassesOverNonsenseOfTheModel) {
  Sampling model;
  model.temperature = -3.f;
  model.top_p = kNan;
  auto settings = resolve({}, model, 100);
  ASSERT_TRUE(settings);
  EXPECT_FLOAT_EQ(settings->temperature, 0.8f);
  EXPECT_FLOAT_EQ(settings->top_p, 0.95f);
}

TEST(SamplerSettings, ReportsARandomSeedWhenNoneIsGiven) {
  auto first = resolve({}, {}, 10), second = resolve({}, {}, 10);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->seed, second->seed);
}

}  // namespace
}  // namespace hearth
