// A conversation goes on elsewhere only when that pays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/policy.h"

namespace hearth::router {
namespace {

using ::testing::HasSubstr;

Target target(std::string name, Price price, double quality, std::string provider = "one") {
  Target out;
  out.name = out.model = std::move(name);
  out.kind = TargetKind::api;
  out.provider = std::move(provider);
  out.trust = Trust::retained;
  out.price = std::move(price);
  out.quality = quality;
  return out;
}

// A dear one that has read 100k tokens, and one at half its price that has read nothing.
class Stay : public ::testing::Test {
 protected:
  Stay() {
    policy.targets = {target("dear", {2, 0.2, 10, 2.5}, 0.8),
                      target("cheap", {1, 0.1, 5, 1.25}, 0.8)};
    facts.n_prompt_estimate = 102'000;
    facts.max_tokens = 1000;
    facts.past = Past{.target = "dear", .n_read = 100'000, .n_turns = 5, .n_held = 5};
    states.resize(2);
    states[0].warm = {.n_tokens = 100'000, .chance = 1, .later = 1};
    states[1].warm = {.n_tokens = 0, .chance = 0, .later = 1};
  }
  std::string chosen() const { return decide(facts, policy, states).target; }

  Policy policy;
  RequestFacts facts;
  std::vector<TargetState> states;
};

TEST_F(Stay, PaysForReadingAnewOnlyWhenEnoughRequestsFollow) {
  facts.n_to_come = 1;
  EXPECT_EQ(chosen(), "dear");
  facts.n_to_come = 20;
  EXPECT_EQ(chosen(), "cheap");
}

TEST_F(Stay, AColdCacheIsAFreeMoment) {
  facts.n_to_come = 1;
  states[0].warm.chance = 0;
  EXPECT_EQ(chosen(), "cheap");
}

TEST_F(Stay, NoSwitchBetweenACallAndItsResultToAnotherWire) {
  facts.n_to_come = 100;
  facts.past->is_tool_round = true;
  EXPECT_EQ(chosen(), "cheap");  // the same provider understands
  policy.targets[1].provider = "two";
  const Decision decision = decide(facts, policy, states);
  EXPECT_EQ(decision.target, "dear");
  EXPECT_TRUE(decision.is_held);
  EXPECT_THAT(decision.reason, HasSubstr("still being answered"));
  policy.targets[1].provider = "one";
  facts.past->is_signed = true;
  EXPECT_EQ(chosen(), "dear");
}

TEST_F(Stay, HoldsAfterASwitchUnlessItIsStuck) {
  facts.n_to_come = 100;
  policy.switching.hold_turns = 4;
  facts.past->n_held = 2;
  EXPECT_EQ(chosen(), "dear");
  facts.past->n_failed = 2;
  EXPECT_EQ(chosen(), "cheap");
}

TEST_F(Stay, SpendsNoMoreThanItsShareOnReadingAnew) {
  facts.n_to_come = 100;
  policy.switching.max_spend_pct = 20;
  facts.past->spent_usd = 0.2;
  EXPECT_EQ(chosen(), "dear");
  facts.past->spent_usd = 2;
  EXPECT_EQ(chosen(), "cheap");
  facts.past->switching_usd = 0.4;
  EXPECT_EQ(chosen(), "dear");
}

TEST_F(Stay, NeedsMoreThanTheMargin) {
  facts.n_to_come = 100;
  policy.switching.margin_usd = 1;
  EXPECT_EQ(chosen(), "dear");
}

TEST_F(Stay, WhoIsNamedIsMeant) {
  facts.model = "cheap";
  facts.past->is_tool_round = facts.past->is_signed = true;
  EXPECT_EQ(chosen(), "cheap");
}

TEST_F(Stay, EqualsStayWhereTheyAre) {
  policy.targets[1] = policy.targets[0];
  policy.targets[1].name = policy.targets[1].model = "other";
  states[0].warm = states[1].warm = {};
  facts.past->target = "other";
  EXPECT_EQ(chosen(), "other");
}

}  // namespace
}  // namespace hearth::router
