// A policy in a file of its own; the sections as such are tested with hearth.toml, in config_test.
#include "router/policy_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hearth::router {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
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

TEST(PolicyFile, TimeoutsAreATargetsOwnAndPrintedWhereTheyAreUnusual) {
  auto policy = parse_policy(std::string(kPolicy) +
                                 "[target.slow]\nkind = \"api:vllm\"\nmodel = \"m\"\nfree = true\n"
                                 "timeouts = { first_byte_ms = 600000, stall_ms = 5000 }\n",
                             "policy.toml");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->targets.at(0).timeouts, Timeouts{});
  const Timeouts slow = policy->targets.at(2).timeouts;
  EXPECT_EQ(slow.first_byte_ms, 600'000u);
  EXPECT_EQ(slow.stall_ms, 5'000u);
  EXPECT_EQ(slow.connect_ms, Timeouts{}.connect_ms);
  auto again = parse_policy(print_policy(*policy), "printed.toml");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->targets.at(2).timeouts, slow);
  policy->targets[2].timeouts = {};
  EXPECT_THAT(print_policy(*policy), Not(HasSubstr("timeouts")));
  EXPECT_FALSE(parse_policy("[target.x]\nkind = \"engine\"\ntimeouts = { stall_ms = 1 }\n", "p"));
}

TEST(PolicyFile, TheHashTellsPoliciesApart) {
  auto policy = parse_policy(kPolicy, "policy.toml");
  ASSERT_TRUE(policy);
  const std::string before = policy_hash(*policy);
  EXPECT_EQ(before.size(), 16u);
  policy->targets[0].price->output = 0.29;
  EXPECT_NE(policy_hash(*policy), before);
}

constexpr std::string_view kTeam = R"(
[target.team]
kind = "pool:sglang"
model = "m"
endpoints = ["http://gpu1:30000/v1", "https://gpu2/v1"]
key_secret = "team"
free = true
[rate."api:anthropic"]
reserve_pct = 20
[class.chat]
hedge = {after = "p95", to = ["team"], max_pct = 3}
[class.edit]
hedge = {after = "800ms", to = ["team"]}
)";

TEST(PolicyFile, APoolNamesItsServers) {
  auto policy = parse_policy(kTeam, "policy.toml");
  ASSERT_TRUE(policy) << policy.error().message;
  const Target& team = policy->targets.at(0);
  EXPECT_TRUE(team.is_pool);
  EXPECT_EQ(team.kind, TargetKind::api);
  EXPECT_EQ(team.provider, "sglang");
  EXPECT_EQ(team.trust, Trust::self_hosted);
  EXPECT_EQ(team.endpoints.size(), 2u);
  EXPECT_EQ(policy->rates.at("api:anthropic").reserve_pct, 20u);
  EXPECT_EQ(policy->tasks.at(TaskClass::chat).hedge->after_ms.value_or(0), 0u);
  EXPECT_EQ(policy->tasks.at(TaskClass::edit).hedge->after_ms, 800u);
  const std::string printed = print_policy(*policy);
  auto again = parse_policy(printed, "printed.toml");
  ASSERT_TRUE(again) << again.error().message << "\n" << printed;
  EXPECT_EQ(print_policy(*again), printed);
}

TEST(PolicyFile, WhatAPoolCannotBeSaysWhatWasExpected) {
  struct Case {
    std::string_view keys, expected;
  };
  for (const Case& each :
       {Case{"kind = \"pool\"", "endpoints"},
        {"kind = \"pool\"\nendpoints = [\"gpu1:8000\"]", "http:// or https://"},
        {"kind = \"pool\"\nendpoints = [\"http://gpu1/v1\"]\nbase_url = \"http://x/v1\"",
         "none beside endpoints"},
        {"kind = \"api:vllm\"\nendpoints = [\"http://gpu1/v1\"]", "kind = \"pool\""},
        {"kind = \"pool\"\nendpoints = [\"http://127.0.0.1/v1\", \"http://gpu1/v1\"]\n"
         "trust = \"local\"",
         "local"},
        {"kind = \"api:vllm\"\nkey_env = \"A\"\nkey_secret = \"b\"", "one of"}}) {
    auto policy = parse_policy(
        "[target.t]\nmodel = \"m\"\nfree = true\n" + std::string(each.keys) + "\n", "p.toml");
    ASSERT_FALSE(policy) << each.keys;
    EXPECT_THAT(policy.error().message, HasSubstr(std::string(each.expected))) << each.keys;
  }
}

TEST(PolicyFile, ATargetIsNotCalledLikeAnEffortOfAnother) {
  auto parsed = parse_policy("[target.\"a@low\"]\nkind = \"engine\"\n", "p.toml");
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().message, HasSubstr("p.toml:1"));
  EXPECT_THAT(parsed.error().message, HasSubstr("target.a@low"));
  EXPECT_THAT(parsed.error().message, HasSubstr("without an effort"));
  EXPECT_TRUE(parse_policy("[target.\"a@home\"]\nkind = \"engine\"\n", "p.toml"));
}

TEST(PolicyFile, ACascadesStepMayBeAnEffortThatItsTargetLists) {
  auto wrong = [](std::string_view steps) {
    auto parsed =
        parse_policy(fmt::format("[target.a]\nkind = \"engine\"\nefforts = [\"none\", \"high\"]\n"
                                 "[class.edit]\ncascade = [{}]\nverify = [\"parse\"]\n",
                                 steps),
                     "p.toml");
    return parsed ? "" : parsed.error().message;
  };
  EXPECT_EQ(wrong("'a@none', 'a@high'"), "");
  EXPECT_EQ(wrong("'a', 'a@high'"), "");
  EXPECT_THAT(wrong("'a@none', 'a@low'"), HasSubstr("there is no target \"a@low\""));
  EXPECT_THAT(wrong("'b@none', 'a@high'"), HasSubstr("there is no target \"b@none\""));
}

}  // namespace
}  // namespace hearth::router
