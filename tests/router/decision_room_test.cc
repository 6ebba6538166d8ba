#include <fmt/format.h>
#include <gtest/gtest.h>

#include "decide.h"
#include "router/estimator.h"
#include "support/allocation_watch.h"

namespace hearth::router {
namespace {

// Sixteen targets; some may not see the label, some are too small, one is down.
Policy sixteen_targets() {
  Policy policy;
  policy.value = {.minute_usd = 0.05, .success_usd = 0.2};
  policy.labels = {{"work", {"src/**"}, Trust::zero_retention}};
  for (int i = 0; i < 16; ++i) {
    Target& target = policy.targets.emplace_back();
    target.name = fmt::format("a-target-with-a-long-name-{}", i);
    target.model = fmt::format("{}-model", target.name);
    target.kind = TargetKind::api;
    target.provider = i % 2 ? "openai" : "anthropic";
    target.trust = i % 3 ? Trust::zero_retention : Trust::retained;
    target.price = Price{0.2 * (1 + i), 0.02 * (1 + i), 1.0 + i};
    target.quality = 0.5 + 0.025 * i;
    target.n_context = i == 4 ? 8'000 : 1'000'000;
  }
  return policy;
}

TEST(Decide, AllocatesNothingInTheRoomOfOneLikeIt) {
  const Policy policy = sixteen_targets();
  std::vector<TargetState> states(policy.targets.size());
  states[7].down = "the breaker of its account is open until the next minute";
  RequestFacts facts;
  facts.labels = {"work"};
  facts.n_prompt_estimate = 100'000;
  Decision decision;
  decide(facts, policy, states, decision);
  const std::string first = decision.target;
  facts.n_prompt_estimate += 1'000;
  testing::forget_allocations();
  decide(facts, policy, states, decision);
  EXPECT_EQ(testing::n_allocations(), 0u);
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(decision.fallbacks.size(), 7u) << decision.reason;
}

TEST(Decide, AllocatesNothingForEffortsEither) {
  Policy policy = sixteen_targets();
  for (Target& target : policy.targets)
    target.efforts = {{Effort::none, {}, {}}, {Effort::low, {}, {}}, {Effort::high, {}, {}}};
  std::vector<TargetState> states(policy.targets.size());
  for (TargetState& state : states) state.efforts = {{Effort::high, {}, {}, {}, 0}};
  RequestFacts facts;
  facts.labels = {"work"};
  facts.n_prompt_estimate = 100'000;
  Decision decision;
  decide(facts, policy, states, decision);
  EXPECT_EQ(decision.candidates.size(), 48u);
  facts.n_prompt_estimate += 1'000;
  testing::forget_allocations();
  decide(facts, policy, states, decision);
  EXPECT_EQ(testing::n_allocations(), 0u);
  EXPECT_TRUE(decision.effort);
}

// With sixteen targets the weights of words are 18 MB.
TEST(Estimator, HoldsNoWeightsUntilAnAnswerIsJudged) {
  testing::forget_allocations();
  Estimator estimator;
  const Terms terms = terms_of("which target is good at this", {});
  estimator.meet(terms);
  const Estimator::Look look = estimator.look(terms);
  for (int i = 0; i < 16; ++i) {
    const std::string name = fmt::format("target-{}", i);
    estimator.learn(name, look, {.quality = {}, .cost_usd = 0.01, .latency_ms = 100});
    EXPECT_NEAR(estimator.belief(name, look).quality->mean, 0.5, 0.1);
  }
  EXPECT_LT(testing::largest_allocation(), 100'000u);
  estimator.learn("target-7", look, {.quality = 1, .cost_usd = {}, .latency_ms = {}});
  EXPECT_GT(testing::largest_allocation(), 10'000'000u);
}

}  // namespace
}  // namespace hearth::router
