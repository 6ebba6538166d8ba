#include "router/trial.h"

#include <gtest/gtest.h>

namespace hearth::router {
namespace {

std::vector<TrialPair> pairs(int n_wins, int n_ties, int n_losses) {
  std::vector<TrialPair> out;
  auto add = [&](int n, Verdict verdict) {
    for (int i = 0; i < n; ++i)
      out.push_back({"dec" + std::to_string(out.size()), verdict, 0.010, 0.002, 0.001});
  };
  add(n_wins, Verdict::win);
  add(n_ties, Verdict::tie);
  add(n_losses, Verdict::loss);
  return out;
}

TEST(Trial, CountsAndSavesByTheMonth) {
  const TrialReport report = report_of(pairs(30, 60, 10), 1000);
  EXPECT_EQ(report.n, 100u);
  EXPECT_NEAR(report.better.mean, 0.2, 1e-9);
  EXPECT_LT(report.better.low, 0.2);
  EXPECT_GT(report.better.high, 0.2);
  EXPECT_NEAR(report.saving_per_month.mean, 8, 1e-9);
  EXPECT_NEAR(report.spent_usd, 1.3, 1e-9);
  EXPECT_TRUE(report.is_no_worse);
}

TEST(Trial, FewPairsAreNotEnoughHoweverTheyFall) {
  EXPECT_FALSE(report_of(pairs(0, 5, 0), 1000).is_no_worse);
  EXPECT_TRUE(report_of(pairs(0, 100, 0), 1000).is_no_worse);
  EXPECT_FALSE(report_of(pairs(10, 70, 20), 1000).is_no_worse);
  EXPECT_FALSE(report_of({}, 1000).is_no_worse);
}

TEST(Trial, AShareLiesWithinWhatCanBe) {
  const Interval lost = report_of(pairs(0, 0, 2), 1000).better;
  EXPECT_EQ(lost.mean, -1);
  EXPECT_EQ(lost.low, -1);
  EXPECT_GT(lost.high, -1) << "two pairs are not certain";
  EXPECT_EQ(report_of(pairs(2, 0, 0), 1000).better.high, 1);
  const Interval tied = report_of(pairs(0, 5, 0), 1000).better;
  EXPECT_EQ(tied.high, -tied.low) << "ties speak for neither";
  EXPECT_GT(tied.high, 0);
}

TEST(Trial, APairIsReckonedAtItsMostBeforeItIsSent) {
  Target dear, free;
  dear.price = Price{3, 0.3, 15};
  constexpr int64_t kInput = 3'000'000, kOutput = 15'000'000;  // pico-dollars a token
  EXPECT_EQ(most_of_pair(&free, &free, nullptr, 1000, 500, 0), PicoUsd());
  const int64_t one = (1000 + 512) * kInput + 500 * kOutput;
  EXPECT_EQ(most_of_pair(&dear, &free, nullptr, 1000, 500, 0).pico(), one);
  EXPECT_EQ(most_of_pair(&dear, &dear, nullptr, 1000, 500, 0).pico(), 2 * one);
  const int64_t judged = (1000 + 512 + 1024 + 2 * 4 * 500) * kInput + kJudgeTokens * kOutput;
  EXPECT_EQ(most_of_pair(&free, &free, &dear, 1000, 500, 0).pico(), 2 * judged);
}

// A judge that always takes the first answer decides nothing.
TEST(Trial, OnlyWhoWinsInBothOrdersHasWon) {
  EXPECT_EQ(verdict_of(2, 1), Verdict::win);
  EXPECT_EQ(verdict_of(1, 2), Verdict::loss);
  EXPECT_EQ(verdict_of(1, 1), Verdict::tie);
  EXPECT_EQ(verdict_of(2, 2), Verdict::tie);
  EXPECT_EQ(verdict_of(0, 1), Verdict::tie);
  EXPECT_EQ(verdict_of(-1, -1), Verdict::tie);
}

TEST(Trial, ReadsWhatAJudgeSays) {
  EXPECT_EQ(parse_judgement("1"), 1);
  EXPECT_EQ(parse_judgement(" **2**.\n"), 2);
  EXPECT_EQ(parse_judgement("Tie."), 0);
  EXPECT_EQ(parse_judgement("I think 1"), -1);
  EXPECT_EQ(parse_judgement(""), -1);
}

TEST(Trial, TheJudgeIsNotToldWhoseAnswersTheyAre) {
  const std::string prompt = judge_prompt("what is 2+2", "four", "five");
  EXPECT_LT(prompt.find("four"), prompt.find("five"));
  EXPECT_EQ(prompt.find("candidate"), prompt.npos);
}

}  // namespace
}  // namespace hearth::router
