// Whole policies as people write them: each parses, prints as itself and does what its name says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/policy_file.h"

namespace hearth::router {
namespace {

using ::testing::HasSubstr;

Policy read(const std::string& text) {
  auto policy = parse_policy(text, "policy.toml");
  EXPECT_TRUE(policy) << policy.error().message;
  if (!policy) return {};
  const std::string printed = print_policy(*policy);
  auto again = parse_policy(printed, "printed.toml");
  EXPECT_TRUE(again) << again.error().message << "\n" << printed;
  if (again) {
    EXPECT_EQ(print_policy(*again), printed);
  }
  return *policy;
}

Decision decided(const Policy& policy, TaskClass task, std::vector<std::string> labels = {}) {
  RequestFacts facts;
  facts.task = task;
  facts.labels = std::move(labels);
  return decide(facts, policy, std::vector<TargetState>(policy.targets.size()));
}

TEST(PolicyExamples, PrivateWorkOneGpuCloudForPublicCode) {
  const Policy policy = read(R"(
policy = { name = "private-first", trust_floor = "retained", on_no_target = "refuse" }
value = { minute_usd = 0.05 }
label = [
  { name = "secret", match = ["**/.env*", "**/*.pem", "detector:key"], trust = "local" },
  { name = "work", match = ["repo:acme/**", "tool:shell"], trust = "local" },
]
target.coder = { kind = "engine", model = "qwen-coder-30b-q4", trust = "local" }
target.ds = { kind = "api:deepseek", model = "deepseek-v4-flash", trust = "retained" }
class.completion = { targets = ["coder"], deadline_ms = 350 }
class.chat = { targets = ["coder", "ds"] }
budget.day = { usd = 0.50, hard = true }
)");
  EXPECT_EQ(decided(policy, TaskClass::chat, {"secret"}).target, "coder");
  EXPECT_EQ(decided(policy, TaskClass::chat, {"work"}).target, "coder");
  EXPECT_FALSE(decided(policy, TaskClass::chat).refused_as);
}

TEST(PolicyExamples, AgentWorkWithAHardCapAndAVerifiedCascade) {
  const Policy policy = read(R"(
policy = { name = "capped-agent", on_no_target = "ask" }
budget.month = { usd = 40.0, hard = true }
budget."project:web-shop" = { usd = 3.0, per = "day" }
switch = { max_spend_pct = 20, hold_turns = 4 }
cache = { keepalive = "if_cheaper" }
explore = { classes = ["summary", "commit-message"], usd_per_day = 0.05 }
[target.coder]
kind = "engine"
[target.kimi]
kind = "api:moonshot"
model = "kimi-k2"
price = { input = 0.6, output = 2.5 }
[target.sonnet]
kind = "api:anthropic"
model = "claude-sonnet-5"
price = { input = 3, output = 15 }
[target.opus]
kind = "api:anthropic"
model = "claude-opus-5"
price = { input = 5, output = 25 }
[class.edit]
success_usd = 0.20
cascade = ["coder", "kimi", "sonnet"]
verify = ["build", "test:changed"]
max_escalations = 2
[class.plan]
targets = ["sonnet", "opus"]
effort = "high"
)");
  EXPECT_EQ(policy.on_no_target, OnNoTarget::ask);
  EXPECT_EQ(decided(policy, TaskClass::plan).target, "sonnet") << "nothing else is valued";
}

TEST(PolicyExamples, TeamBoxLatencyFirstZeroRetentionOnlyHedgedToLocal) {
  const Policy policy = read(R"(
policy = { name = "fast-zdr", trust_floor = "zero-retention" }
value = { minute_usd = 0.50 }
class.chat = { ttft_ms = 800, hedge = { after = "p95", to = ["coder"], max_pct = 5 } }
class.review = { deadline_ms = 120000, targets = ["opus", "gpt-sol"], min_quality = 0.7 }
rate."api:anthropic" = { reserve_pct = 20 }   # kept for interactive classes
ledger = { bodies = "hash", keep_days = 90 }
[target.coder]
kind = "engine"
quality = 0.5
[target.opus]
kind = "api:anthropic"
model = "claude-opus-5"
price = { input = 5, output = 25 }
trust = "zero-retention"
quality = 0.9
[target.gpt-sol]
kind = "api:openai"
model = "gpt-sol"
price = { input = 2, output = 10 }
quality = 0.9
)");
  const Decision decision = decided(policy, TaskClass::chat);
  EXPECT_THAT(decision.candidates.at(2).excluded_by.value_or(""), HasSubstr("floor"));
}

}  // namespace
}  // namespace hearth::router
