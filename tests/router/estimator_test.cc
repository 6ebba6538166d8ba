#include "router/estimator.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

namespace hearth::router {
namespace {

Estimator::Look look_at(Estimator& estimator, const std::string& text) {
  const Terms terms = terms_of(text, {});
  estimator.meet(terms);
  estimator.meet(terms);  // what was met once only tells nothing
  return estimator.look(terms);
}

double quality(Estimator& estimator, std::string_view target, const Estimator::Look& look) {
  return estimator.belief(target, look).quality->mean;
}

std::map<uint32_t, float> words_of(const std::string& text) {
  std::map<uint32_t, float> words;
  for (const Term& term : terms_of(text, {}).words) words[term.slot] = term.weight;
  return words;
}

TEST(Terms, WordsAreTheSameWhereverTheyStand) {
  const std::string text =
      "Read the file `src/main.cc`, then fix line 1234; a-b_c?\n\tWhat is caf\xc3\xa9 in " +
      std::string(70, 'x') + "\n(see [12])";
  const auto words = words_of(text);
  EXPECT_GT(words.size(), 50u);
  for (size_t n = 0; n < 200; ++n) {
    const std::string before(n, ' '), after(n % 67, '\n');
    ASSERT_EQ(words_of(before + text), words) << n;
    ASSERT_EQ(words_of(text + after), words) << n;
  }
}

TEST(Terms, CountWordsAndNeighboursWithoutRegardToCaseOrDigits) {
  EXPECT_EQ(words_of("The file 17"), words_of("the FILE 42"));
  EXPECT_EQ(words_of("123456"), words_of("98765")) << "four digits of a number count";
  EXPECT_NE(words_of("123"), words_of("1234"));
  EXPECT_NE(words_of("the file"), words_of("the fill"));
  EXPECT_EQ(words_of("").size(), 0u);
  EXPECT_EQ(words_of(" \n ").size(), 0u);
  EXPECT_EQ(words_of("file").size(), 1u);
  float n = 0;  // one two one two one: five words, four pairs
  for (const auto& [slot, times] : words_of("one two one two one")) n += times;
  EXPECT_EQ(n, 9);
  EXPECT_EQ(words_of("one two one two one").size(), 3u);
}

TEST(Terms, AWordIsHashedToItsLastLetter) {
  // Of what is longer each 24 are a word.
  const std::string word = "abcdefghijklmnopqrstuvwx";
  for (size_t i = 0; i < word.size(); ++i) {
    std::string other = word;
    other[i] = '\xe9';
    EXPECT_NE(words_of(word), words_of(other)) << i;
    EXPECT_NE(words_of(word), words_of(word.substr(0, i))) << i;
  }
  EXPECT_EQ(words_of(word + word).size(), 2u) << "one word, and its pair with itself";
}

TEST(Estimator, LearnsWhichWordsATargetIsGoodAt) {
  Estimator estimator;
  const auto code = look_at(estimator, "please write a parser function");
  const auto poem = look_at(estimator, "compose some verses on autumn");
  for (int i = 0; i < 60; ++i) {
    estimator.learn("a", code, {.quality = 1, .cost_usd = {}, .latency_ms = {}});
    estimator.learn("a", poem, {.quality = 0, .cost_usd = {}, .latency_ms = {}});
  }
  EXPECT_GT(quality(estimator, "a", code), 0.8);
  EXPECT_LT(quality(estimator, "a", poem), 0.2);
}

// Hard requests look hard for the one that was seldom tried too.
TEST(Estimator, AnUntriedTargetInheritsHowHardARequestIs) {
  Estimator estimator;
  const auto hard = look_at(estimator, "prove the conjecture rigorously");
  const auto easy = look_at(estimator, "greet the visitor nicely");
  for (int i = 0; i < 100; ++i) {
    estimator.learn("tried", hard, {.quality = 0, .cost_usd = {}, .latency_ms = {}});
    estimator.learn("tried", easy, {.quality = 1, .cost_usd = {}, .latency_ms = {}});
  }
  EXPECT_LT(quality(estimator, "new", hard) + 0.2, quality(estimator, "new", easy));
}

TEST(Estimator, GrowsSurerWithEveryOutcome) {
  Estimator estimator;
  const auto look = look_at(estimator, "anything");
  double before = estimator.belief("a", look).quality->sd;
  for (int i = 0; i < 50; ++i)
    estimator.learn("a", look, {.quality = i % 2, .cost_usd = {}, .latency_ms = {}});
  EXPECT_LT(estimator.belief("a", look).quality->sd, before / 2);
}

TEST(Estimator, ForgetsWhatIsOlderThanItRemembers) {
  Estimator estimator(40);
  const auto look = look_at(estimator, "the same request again");
  for (int i = 0; i < 200; ++i)
    estimator.learn("a", look, {.quality = 0, .cost_usd = {}, .latency_ms = {}});
  for (int i = 0; i < 60; ++i)
    estimator.learn("a", look, {.quality = 1, .cost_usd = {}, .latency_ms = {}});
  EXPECT_GT(quality(estimator, "a", look), 0.8);
}

TEST(Estimator, ADearTargetIsThoughtBetterUntilOutcomesSay) {
  Estimator estimator;
  const Estimator::Look look = estimator.look(terms_of("same words", {}));
  auto lead = [&] {
    return estimator.belief("dear", look).quality->mean -
           estimator.belief("cheap", look).quality->mean;
  };
  auto learn = [&](double dear_quality, int n) {
    for (int i = 0; i < n; ++i) {
      estimator.learn("cheap", look, {.quality = 0.5, .cost_usd = 0.001, .latency_ms = {}});
      estimator.learn("dear", look, {.quality = dear_quality, .cost_usd = 0.1, .latency_ms = {}});
    }
  };
  learn(0.5, 1);
  EXPECT_GT(lead(), 0.01);
  EXPECT_LT(lead(), 0.2);
  learn(0.4, 200);
  EXPECT_LT(lead(), -0.05);
}

TEST(Estimator, CostFollowsTheSizeOfARequest) {
  Estimator estimator;
  auto sized = [&](uint64_t n_input) {
    return estimator.look(terms_of("", {.task = "", .n_input_tokens = n_input}));
  };
  for (uint64_t n = 100; n <= 2000; n += 100)
    estimator.learn(
        "a", sized(n),
        {.quality = {}, .cost_usd = 0.001 + 1e-6 * static_cast<double>(n), .latency_ms = {}});
  EXPECT_NEAR(estimator.belief("a", sized(500)).cost_usd->mean, 0.0015, 0.0002);
  EXPECT_NEAR(estimator.belief("a", sized(1800)).cost_usd->mean, 0.0028, 0.0006);
  // What is charged by the token goes on being so, however far beyond what was seen.
  EXPECT_NEAR(estimator.belief("a", sized(1'000'000)).cost_usd->mean, 1, 0.6);
  EXPECT_GT(estimator.belief("unseen", sized(500)).cost_usd->sd, 0);
}

TEST(Terms, ReadAnyBytesAndAreBounded) {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i * 7919 >> 3);
  const Terms terms = terms_of(bytes, {});
  EXPECT_LE(terms.words.size(), 2u * 6144);
  for (const Term& term : terms.words) ASSERT_LT(term.slot, kTermSlots);
  for (const Term& term : terms.traits) ASSERT_LT(term.slot, kTermSlots);
  EXPECT_TRUE(terms_of("", {}).words.empty());
}

TEST(Terms, CaseDoesNotMatter) {
  auto slots = [](std::string_view text) {
    std::vector<uint32_t> out;
    for (const Term& term : terms_of(text, {}).words) out.push_back(term.slot);
    return out;
  };
  EXPECT_EQ(slots("Write A Poem"), slots("write a poem"));
  EXPECT_NE(slots("write a poem"), slots("write a proof"));
}

TEST(Estimator, NearlyEqualTargetsDoNotTakeTurnsWithTheirLastOutcomes) {
  Estimator estimator;
  std::mt19937_64 random(3);
  const Terms terms = terms_of("the same each time", {});
  double sum[2] = {};
  constexpr int kRounds = 400;
  for (int i = 0; i < kRounds; ++i) {
    estimator.meet(terms);
    for (int t = 0; t < 2; ++t) {
      const double quality = random() % 100 < (t == 0 ? 65 : 60);
      sum[t] += quality;
      estimator.learn(t == 0 ? "a" : "b", estimator.look(terms), {.quality = quality});
    }
    if (i < 100) continue;
    for (int t = 0; t < 2; ++t)
      EXPECT_NEAR(estimator.belief(t == 0 ? "a" : "b", estimator.look(terms)).quality->mean,
                  sum[t] / (i + 1), 0.02)
          << "target " << t << " after " << i << " outcomes";
  }
}

}  // namespace
}  // namespace hearth::router
