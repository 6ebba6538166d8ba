#include "router/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/ledger.h"
#include "router/policy_file.h"

namespace hearth::router {
namespace {

using ::testing::HasSubstr;

Policy policy() {
  auto parsed = parse_policy(R"(
    [value]
    minute_usd = 0.05
    success_usd = 0.10
    [target.dear]
    kind = "api:openai"
    model = "d"
    price = { input = 5, output = 25 }
    quality = 0.9
    [target.cheap]
    kind = "api:openai"
    model = "c"
    price = { input = 0.1, output = 0.4 }
    quality = 0.8
    [target.learns]
    kind = "api:openai"
    model = "l"
    price = { input = 0.1, output = 0.4 }
    trust = "trains"
  )",
                             "policy.toml");
  EXPECT_TRUE(parsed) << parsed.error().message;
  return *parsed;
}

DecisionRecord decided(const Policy& by, uint64_t n_prompt) {
  DecisionRecord record;
  record.policy_hash = policy_hash(by);
  record.facts.id = "req_1";
  record.facts.n_prompt_estimate = n_prompt;
  record.facts.max_tokens = 100;
  record.states.resize(by.targets.size());
  record.decision = decide(record.facts, by, record.states);
  record.decision.id = "dec_1";
  return record;
}

TEST(Explain, NamesWhatRemovedATargetAndWhatEachKeptOneIsWorth) {
  const Explanation e = explain(decided(policy(), 10'000), policy());
  EXPECT_EQ(e.target, "cheap");
  ASSERT_EQ(e.removed.size(), 1u);
  EXPECT_EQ(e.removed[0].target, "learns");
  EXPECT_THAT(e.removed[0].rule, HasSubstr("trust"));
  ASSERT_EQ(e.kept.size(), 2u);
  EXPECT_EQ(e.kept[0].target, "cheap");
  EXPECT_EQ(e.runner_up, "dear");
  EXPECT_GT(e.margin_usd, 0);
  EXPECT_EQ(e.fallbacks, std::vector<std::string>{"dear"});
  EXPECT_EQ(e.propensity, 1);
}

// Each flip is checked by deciding on both sides of it.
TEST(Explain, FlipsWhereItSaysAndNotBefore) {
  const DecisionRecord record = decided(policy(), 10'000);
  const Explanation e = explain(record, policy());
  size_t n_checked = 0;
  for (const Flip& flip : e.flips) {
    auto winner = [&](double value) {
      Policy changed = policy();
      RequestFacts facts = record.facts;
      if (flip.what == "success_usd") changed.value.success_usd = value;
      if (flip.what == "minute_usd") changed.value.minute_usd = value;
      if (flip.what == "prompt_tokens") facts.n_prompt_estimate = static_cast<uint64_t>(value);
      return decide(facts, changed, record.states).target;
    };
    if (flip.what != "success_usd" && flip.what != "minute_usd" && flip.what != "prompt_tokens")
      continue;
    ++n_checked;
    const double step = 0.001 * (flip.to - flip.from) + (flip.to > flip.from ? 1e-9 : -1e-9);
    EXPECT_EQ(winner(flip.to + step), flip.target) << flip.text;
    EXPECT_EQ(winner(flip.to - 10 * step), "cheap") << flip.text;
  }
  EXPECT_GE(n_checked, 2u);
  EXPECT_THAT(in_words(e), HasSubstr("dear wins if a right answer is worth more than"));
}

TEST(Explain, SaysWhoIsNextWhenTheWinnerIsDown) {
  const Explanation e = explain(decided(policy(), 10'000), policy());
  ASSERT_FALSE(e.flips.empty());
  EXPECT_EQ(e.flips.back().what, "down");
  EXPECT_EQ(e.flips.back().target, "dear");
}

TEST(Explain, ARefusalHasNoWinnerAndNoFlips) {
  Policy strict = policy();
  strict.trust_floor = Trust::local;
  const Explanation e = explain(decided(strict, 10), strict);
  EXPECT_EQ(e.target, "");
  EXPECT_TRUE(e.refused_as);
  EXPECT_TRUE(e.flips.empty());
  EXPECT_EQ(e.removed.size(), 3u);
  EXPECT_THAT(in_words(e), HasSubstr("refused"));
}

TEST(Explain, SaysWhenThePolicyHasChangedSince) {
  Policy later = policy();
  later.targets.erase(later.targets.begin());
  const Explanation e = explain(decided(policy(), 10'000), later);
  EXPECT_EQ(e.target, "cheap");
  EXPECT_THAT(e.note, HasSubstr("changed since"));
}

// ---- what was tried ----

AttemptRow row(std::string target, int64_t at_ms, std::optional<Errc> failed_as = {},
               std::string word = "") {
  AttemptRow made;
  made.party.target = made.model = std::move(target);
  made.time_ms = 1'000'000 + at_ms;
  made.ended_ms = made.time_ms + 200;
  made.state = AttemptState::settled;
  made.cost = PicoUsd(2'000'000);
  made.failed_as = failed_as;
  made.word = std::move(word);
  return made;
}

std::vector<std::string> told(const std::vector<TriedTarget>& tried) {
  std::vector<std::string> out;
  for (const TriedTarget& each : tried)
    out.push_back(each.target + " " + each.outcome + (each.is_answer ? "!" : ""));
  return out;
}

TEST(Explain, ListsWhatWasTriedAndWhoseAnswerItIs) {
  using ::testing::ElementsAre;
  DecisionRecord record = decided(policy(), 10'000);
  record.time_ms = 1'000'000;
  // Failover: the same again, then another one.
  record.stand_in = StandIn{"dear", "d", "dear answers: cheap gave no answer"};
  std::vector<AttemptRow> rows = {row("cheap", 1, Errc::busy, "rate_limit_exceeded"),
                                  row("cheap", 900, Errc::upstream), row("dear", 1200)};
  rows[2].effort = Effort::high;
  rows[0].cost = {};
  Explanation e = explain(record, policy());
  e.tried = tried_of(record, rows, true);
  EXPECT_THAT(told(e.tried), ElementsAre("cheap busy", "cheap upstream", "dear answered!"));
  EXPECT_EQ(e.tried[2].start_ms, 1200);
  EXPECT_EQ(e.tried[2].total_ms, 200);
  EXPECT_EQ(e.tried[2].cost_usd, "0.000002");
  const std::string words = in_words(e);
  EXPECT_THAT(words, HasSubstr("busy (rate_limit_exceeded)\n"));
  EXPECT_THAT(words, HasSubstr("dear at high"));
  EXPECT_THAT(words, HasSubstr("0.000002  answered, the answer\n"));
  // A cascade: the first answered too, and was not shown.
  rows = {row("cheap", 1), row("dear", 500)};
  EXPECT_THAT(told(tried_of(record, rows, true)), ElementsAre("cheap not shown", "dear answered!"));
  // A second leg that was faster; the first was cancelled.
  rows = {row("cheap", 1, Errc::cancelled), row("dear", 100)};
  rows[1].is_hedge = true;
  e.tried = tried_of(record, rows, true);
  EXPECT_THAT(told(e.tried), ElementsAre("cheap cancelled", "dear answered!"));
  EXPECT_TRUE(e.tried[1].is_hedge);
  // Nobody answered, nothing was sent, nobody knows.
  rows = {row("cheap", 1, Errc::timeout), row("dear", 2), row("dear", 3), row("dear", 4)};
  rows[1].state = AttemptState::released;
  rows[2].state = AttemptState::unknown;
  rows[3].state = AttemptState::reserved;
  EXPECT_THAT(told(tried_of(record, rows, false)),
              ElementsAre("cheap timeout", "dear nothing sent", "dear unknown", "dear under way"));
}

}  // namespace
}  // namespace hearth::router
