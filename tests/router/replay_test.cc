#include "router/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "router/policy_file.h"

namespace hearth::router {
namespace {

using ::testing::HasSubstr;

Policy policy(std::string_view text) {
  auto parsed = parse_policy(text, "policy.toml");
  EXPECT_TRUE(parsed) << parsed.error().message;
  return *parsed;
}

constexpr std::string_view kTargets = R"(
  [target.dear]
  kind = "api:openai"
  model = "d"
  price = { input = 10, output = 10 }
  quality = 0.9
  [target.cheap]
  kind = "api:openai"
  model = "c"
  price = { input = 1, output = 1 }
  quality = 0.6
)";

// What `by` would have logged for a request, with what it cost.
StoredDecision logged(const Policy& by, int64_t time_ms, std::string session = "") {
  StoredDecision out;
  DecisionRecord& record = out.record;
  record.time_ms = time_ms;
  record.facts.session = std::move(session);
  record.facts.n_prompt_estimate = 1000;
  record.facts.max_tokens = 1000;
  record.states.resize(by.targets.size());
  record.decision = decide(record.facts, by, record.states);
  out.outcome.emplace();
  out.outcome->usage.n_completion = 1000;
  out.outcome->latency_ms = 2000;
  const double price = record.decision.target == "dear" ? 10 : 1;
  out.cost = PicoUsd::from_usd(2000 * price / 1e6);
  return out;
}

constexpr int64_t kStart = 1'760'000'000'000;

TEST(Replay, UnderTheSamePolicyIsTheLog) {
  const Policy same = policy(kTargets);
  Replay replay(same, {});
  for (int i = 0; i < 20; ++i) replay.add(logged(same, kStart + i * 1000));
  const ReplayReport report = replay.report();
  EXPECT_EQ(report.n_decisions, 20u);
  EXPECT_EQ(report.n_moved, 0u);
  EXPECT_NEAR(report.cost_usd.difference, 0, 1e-9);
  EXPECT_NEAR(report.seconds.logged, 40, 1e-3);
}

TEST(Replay, AnotherPolicysMoneyIsForecastWithTheAnswersOwnLength) {
  const Policy cheap = policy(kTargets);
  const Policy best = policy(std::string("[value]\nsuccess_usd = 1\n") + std::string(kTargets));
  Replay replay(best, {});
  for (int i = 0; i < 50; ++i) replay.add(logged(cheap, kStart + i * 1000));
  const ReplayReport report = replay.report();
  EXPECT_EQ(report.n_moved, 50u);
  EXPECT_EQ(report.chosen.at("dear"), 50u);
  EXPECT_NEAR(report.cost_usd.logged, 50 * 0.002, 1e-6);
  EXPECT_NEAR(report.cost_usd.replayed, 50 * 0.02, 1e-6);
  EXPECT_LE(report.cost_usd.low, report.cost_usd.difference + 1e-6);
  EXPECT_GE(report.cost_usd.high, report.cost_usd.difference - 1e-6);
}

TEST(Replay, ABudgetOfTheNewPolicyHoldsWithinItsPeriod) {
  const Policy cheap = policy(kTargets);
  const Policy capped =
      policy(std::string("[budget.day]\nusd = 0.0105\nhard = true\n") + std::string(kTargets));
  Replay replay(capped, {});
  for (int i = 0; i < 10; ++i) replay.add(logged(cheap, kStart + i * 1000));
  const ReplayReport report = replay.report();
  EXPECT_EQ(report.n_refused, 5u);
  ASSERT_EQ(report.budgets.size(), 1u);
  EXPECT_LE(report.budgets[0].most_spent_usd, 0.0105);
  EXPECT_EQ(report.budgets[0].n_refused, 5u);
}

TEST(Replay, QualityWithoutChanceIsNotEstimable) {
  const Policy cheap = policy(kTargets);
  const Policy best = policy(std::string("[value]\nsuccess_usd = 1\n") + std::string(kTargets));
  Replay replay(best, {});
  EXPECT_THAT(replay.report().quality.why_not, HasSubstr("no answer"));
  for (int i = 0; i < 100; ++i) {
    StoredDecision decision = logged(cheap, kStart + i * 1000);
    decision.quality = 1;
    replay.add(decision);
  }
  const ReplayedQuality quality = replay.report().quality;
  EXPECT_FALSE(quality.is_estimable);
  EXPECT_EQ(quality.overlap, 0);
  EXPECT_THAT(quality.why_not, HasSubstr("never would have"));
}

// A log that chose by the coin knows both: the truth lies within the interval.
TEST(Replay, EstimatesQualityFromLoggedChances) {
  const Policy cheap = policy(kTargets);
  const Policy best = policy(std::string("[value]\nsuccess_usd = 1\n") + std::string(kTargets));
  std::mt19937 random(3);
  Replay replay(best, {});
  for (int i = 0; i < 2000; ++i) {
    StoredDecision decision = logged(cheap, kStart + i * 1000);
    Decision& was = decision.record.decision;
    const size_t at = random() % 2;
    was.target = was.candidates[at].target;
    was.candidates[0].propensity = was.candidates[1].propensity = 0.5;
    decision.quality = random() % 100 < (at == 0 ? 80 : 50);
    replay.add(decision);
  }
  const ReplayedQuality quality = replay.report().quality;
  EXPECT_TRUE(quality.is_estimable) << quality.why_not;
  EXPECT_NEAR(quality.inverse_propensity, 0.8, 0.05);
  EXPECT_LT(quality.low, 0.8);
  EXPECT_GT(quality.high, 0.8);
  EXPECT_GT(quality.effective_sample, 500);
}

// The dear one would have read the prompt at the first request, so the later ones find it there.
TEST(Replay, FollowsCachesAndConversationsAlongTheNewChoices) {
  const Policy cheap = policy(kTargets);
  const std::string cached = R"(
    [value]
    success_usd = 1
    [target.dear]
    kind = "api:openai"
    model = "d"
    price = { input = 10, cached = 0, output = 10 }
    quality = 0.9
    [target.cheap]
    kind = "api:openai"
    model = "c"
    price = { input = 1, output = 1 }
    quality = 0.6
  )";
  Replay replay(policy(cached), {});
  replay.add(logged(cheap, kStart, "s"));
  const double first = replay.report().cost_usd.replayed;
  replay.add(logged(cheap, kStart + 10'000, "s"));
  const ReplayReport report = replay.report();
  EXPECT_NEAR(first, 0.02, 1e-6);
  EXPECT_LT(report.cost_usd.replayed - first, 0.015);
  EXPECT_EQ(report.n_switches, 0u);
}

}  // namespace
}  // namespace hearth::router
