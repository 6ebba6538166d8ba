// A policy in a file of its own; the sections as such are tested with hearth.toml, in config_test.
#include "router/policy_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hearth::router {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kPolicy = R"(
[policy]
name = "private-first"
trust_floor = "self"
[target.ds]
kind = "api:deepseek"
model = "deepseek-chat"
price = {input = 0.14, cached = 0.0028, output = 0.28}
[target.own]
kind = "api:vllm"
model = "m"
free = true
[class.chat]
targets = ["ds"]
[[label]]
name = "secret"
match = "**/.env"
)";

TEST(PolicyFile, HoldsAPolicyAndNothingElse) {
  auto policy = parse_policy(kPolicy, "policy.toml");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->name, "private-first");
  EXPECT_EQ(policy->targets.at(0).price->cached, 0.0028);
  EXPECT_EQ(policy->targets.at(1).price->output, 0);
  auto wrong = parse_policy("[server]\nport = 1\n", "policy.toml");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, StartsWith("policy.toml:1: unknown key \"server\""));
}

TEST(PolicyFile, WhatIsPrintedReadsAsTheSamePolicy) {
  auto policy = parse_policy(kPolicy, "policy.toml");
  ASSERT_TRUE(policy);
  const std::string printed = print_policy(*policy);
  auto again = parse_policy(printed, "printed.toml");
  ASSERT_TRUE(again) << again.error().message << "\n" << printed;
  EXPECT_EQ(print_policy(*again), printed);
  EXPECT_EQ(policy_hash(*again), policy_hash(*policy));
}

TEST(PolicyFile, TheHashTellsPoliciesApart) {
  auto policy = parse_policy(kPolicy, "policy.toml");
  ASSERT_TRUE(policy);
  const std::string before = policy_hash(*policy);
  EXPECT_EQ(before.size(), 16u);
  policy->targets[0].price->output = 0.29;
  EXPECT_NE(policy_hash(*policy), before);
}

}  // namespace
}  // namespace hearth::router
