// What a policy allows and denies of targets, by what is known of them.
#include "router/target_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/policy.h"
#include "router/policy_file.h"
#include "router/policy_words.h"

namespace hearth::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Policy policy_of(const std::string& text) {
  auto policy = parse_policy(text, "policy.toml");
  EXPECT_TRUE(policy) << policy.error().message;
  return policy ? *policy : Policy{};
}

constexpr std::string_view kTargets = R"(
target.coder = { kind = "engine", model = "qwen-coder-30b-q4", licence = "apache-2.0" }
target.demo = { kind = "engine", model = "smollm2-135m-instruct" }
target.mystery = { kind = "engine", model = "some-finetune" }
target.ds = { kind = "api:deepseek", model = "deepseek-v4-flash", price = { input = 0.1, output = 0.2 } }
target.sonnet = { kind = "api:anthropic", model = "claude-sonnet-5", price = { input = 3, output = 15 } }
target.paris = { kind = "api:mistral", model = "mistral-large", price = { input = 1, output = 2 }, hosting = "fr" }
target.rack = { kind = "api:vllm", base_url = "https://gpu.acme.internal/v1", model = "openai/gpt-oss-120b", free = true, trust = "self", hosting = "own" }
)";

std::vector<std::string> allowed(const std::string& rules) {
  const Policy policy =
      policy_of("policy = { trust_floor = \"trains\", " + rules + " }\n" + std::string(kTargets));
  std::vector<std::string> names;
  const Decision decision = decide({}, policy, std::vector<TargetState>(policy.targets.size()));
  for (const Candidate& candidate : decision.candidates)
    if (!candidate.excluded_by) names.push_back(candidate.target);
  return names;
}

TEST(TargetFacts, OneLineSaysWhatACompanyWants) {
  EXPECT_THAT(allowed("allow = { licence = [\"apache-2.0\", \"mit\"], hosting = [\"own\"] }"),
              ElementsAre("coder", "demo", "rack"));
  EXPECT_THAT(allowed("allow = { hosting = [\"own\", \"eu\"] }"),
              ElementsAre("coder", "demo", "mystery", "paris", "rack"))
      << "France is in the Union";
  EXPECT_THAT(allowed("deny = { origin = \"cn\" }"),
              ElementsAre("demo", "mystery", "sonnet", "paris", "rack"))
      << "who is not known is not denied";
  EXPECT_THAT(allowed("deny = { publisher = \"anthr*\" }, allow = { origin = [\"us\", \"fr\"] }"),
              ElementsAre("demo", "paris", "rack"));
}

TEST(TargetFacts, TheExclusionNamesTheFact) {
  const Policy policy =
      policy_of("policy = { trust_floor = \"trains\", allow = { licence = \"apache-2.0\" } }\n" +
                std::string(kTargets));
  const Decision decision = decide({}, policy, std::vector<TargetState>(policy.targets.size()));
  EXPECT_EQ(decision.candidates[2].excluded_by,
            "its licence is not known, the policy allows apache-2.0");
  EXPECT_EQ(decision.candidates[4].excluded_by,
            "its licence is proprietary, the policy allows apache-2.0");
}

TEST(TargetFacts, WhatIsStatedWins) {
  Target target;
  target.kind = TargetKind::api;
  target.provider = "openai";
  target.model = "gpt-6";
  target.trust = Trust::retained;
  EXPECT_EQ(facts_of(target).hosting, "us");
  EXPECT_EQ(facts_of(target).retention, "") << "a matter of contract";
  target.facts.hosting = "eu";
  target.facts.publisher = "someone";
  EXPECT_EQ(facts_of(target).hosting, "eu");
  EXPECT_EQ(facts_of(target).licence, "") << "of another's model nothing is known";
  target.facts = {};
  target.base_url = "https://proxy.acme.internal/v1";
  EXPECT_EQ(facts_of(target).hosting, "") << "elsewhere than at the provider's own address";
  target.trust = Trust::zero_retention;
  EXPECT_EQ(facts_of(target).retention, "none");
}

TEST(TargetFacts, AreReadPrintedAndPlacedWhenWrong) {
  const Policy policy = policy_of(
      "policy = { allow = { licence = [\"mit\"] }, deny = { origin = [\"cn\"] }, on_no_target = "
      "\"ask\" }\nworkspace = { roots = [\"/srv/work\"] }\n" +
      std::string(kTargets));
  EXPECT_EQ(policy.on_no_target, OnNoTarget::ask);
  const std::string printed = print_policy(policy);
  EXPECT_EQ(print_policy(policy_of(printed)), printed);
  EXPECT_EQ(policy_of(printed).targets[0].facts.licence, "apache-2.0");
  EXPECT_THAT(policy_of(printed).roots, ElementsAre("/srv/work"));
  auto wrong = [](std::string_view text) {
    auto read = parse_policy(text, "p.toml");
    return read ? "" : read.error().message;
  };
  EXPECT_THAT(
      wrong("[policy]\nallow = { license = [\"mit\"] }"),
      HasSubstr("p.toml:2: unknown key \"policy.allow.license\"; did you mean \"licence\"?"));
  EXPECT_THAT(wrong("[policy]\non_no_target = \"fallback\""),
              HasSubstr("p.toml:2: policy.on_no_target: expected one of refuse, wait, ask"));
  EXPECT_THAT(wrong("[[label]]\nname = \"x\"\nmatch = [\"detector:keys\"]"),
              HasSubstr("p.toml:3: label.match: expected \"detector:NAME\""));
}

TEST(PolicyWords, SayWhatDecideWouldDo) {
  const Policy policy = policy_of(std::string(R"(
policy = { name = "private-first", trust_floor = "retained" }
label = [
  { name = "secret", match = ["**/.env*", "detector:key"], trust = "local" },
  { name = "work", match = ["repo:acme/**", "tool:shell"], trust = "self" },
]
class.title = { targets = ["sonnet"] }
)") + std::string(kTargets));
  const PolicyView view = view_of(policy);
  ASSERT_EQ(view.classes.size(), std::size(EnumNames<TaskClass>::names));
  const ClassView& chat = view.classes[1];
  EXPECT_EQ(chat.name, "chat");
  ASSERT_EQ(chat.sights.size(), 3u);
  EXPECT_EQ(chat.sights[0].targets.size(), 7u);
  EXPECT_THAT(chat.sights[1].targets, ElementsAre("coder", "demo", "mystery"));
  EXPECT_THAT(chat.sights[2].targets, ::testing::Contains("rack"));
  EXPECT_THAT(chat.sights[1].excluded.at("ds"), HasSubstr("label \"secret\" allows trust local"));
  EXPECT_THAT(view.notes, ::testing::Contains(HasSubstr("no [workspace] roots")));
  EXPECT_THAT(view.notes, ::testing::Contains(HasSubstr("paraphrase")));
  EXPECT_THAT(view.notes, ::testing::Contains("no target may see label \"secret\" in class title"));
  const std::string words = in_words(view);
  EXPECT_THAT(words, HasSubstr("secret           stays on this machine: **/.env*, detector:key"));
  EXPECT_THAT(words, HasSubstr("licence apache-2.0"));
  EXPECT_THAT(words, HasSubstr("  title\n    (no label)     sonnet\n"));
}

}  // namespace
}  // namespace hearth::router
