// Decisions as they are kept: found again, joined with their cost, without the words that must not
// be kept, and not for ever.
#include "router/decision_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/session/loop.h"
#include "money/output_history.h"
#include "router/ledger_reader.h"
#include "support/fault_vfs.h"
#include "support/json.h"
#include "support/temporary_folder.h"

namespace hearth::router {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class DecisionStoreTest : public ::testing::Test {
 protected:
  DecisionStoreTest() { start(); }
  void start() {
    Ledger::Options options;
    options.folder = folder / "ledger";
    options.vfs = vfs.name();
    auto opened = Ledger::open(loop.executor(), options);
    ASSERT_TRUE(opened) << opened.error().message;
    ledger = std::move(*opened);
    store.emplace(*ledger);
  }
  ~DecisionStoreTest() override { ledger.reset(); }

  static int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  static DecisionRecord record(const std::string& id, int64_t time_ms) {
    DecisionRecord made;
    made.time_ms = time_ms;
    made.policy_hash = "0123";
    made.facts.id = "req-" + id;
    made.decision.id = "dec-" + id;
    made.decision.target = "sonnet";
    Candidate& candidate = made.decision.candidates.emplace_back();
    candidate.target = "sonnet";
    candidate.propensity = 0.25;
    return made;
  }
  static CompletionRequest words() {
    CompletionRequest body;
    body.messages = {text_message(Role::user, "my own words")};
    return body;
  }
  LedgerReader reader() {
    EXPECT_TRUE(loop.run(ledger->flush()));
    auto opened = LedgerReader::open(folder / "ledger");
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  std::vector<StoredDecision> all(bool with_bodies = true) {
    std::vector<StoredDecision> found;
    LedgerReader from = reader();
    EXPECT_TRUE(from.decisions({}, with_bodies, [&](StoredDecision each) {
      found.push_back(std::move(each));
      return true;
    }));
    return found;
  }

  test::TemporaryFolder folder;
  test::FaultVfs vfs{1};
  test::Loop loop;
  std::unique_ptr<Ledger> ledger;
  std::optional<DecisionStore> store;
  LedgerRules rules;
};

TEST_F(DecisionStoreTest, ADecisionIsFoundByItsIdAndItsRequests) {
  const DecisionRecord made = record("1", now_ms());
  store->decided(made);
  for (const char* id : {"dec-1", "req-1"}) {
    auto found = reader().decision(id);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(json::encode(found->record), json::encode(made));
    EXPECT_FALSE(found->outcome) << "under way";
  }
  auto missing = reader().decision("dec-2");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
}

TEST_F(DecisionStoreTest, WhatCameOfItIsKeptWithWhatItCost) {
  const DecisionRecord made = record("1", now_ms());
  store->decided(made);
  Spend spend;
  spend.policy = std::make_shared<const Policy>();
  spend.decision = "dec-1";
  spend.price = Price{1, 1, 1};
  for (uint32_t n : {1u, 2u}) {
    spend.n_attempt = n;
    auto hold = loop.run(ledger->reserve(spend));
    ASSERT_TRUE(hold);
    Settlement settlement;
    settlement.reported.emplace();
    settlement.reported->n_prompt = 100 * n;
    ledger->settle(*hold, settlement);
  }
  Completion completion;
  completion.usage.n_prompt = 200;
  completion.finish_reason = FinishReason::length;
  store->ended(made, completion);
  store->judged("dec-1", 0.75);
  auto found = reader().decision("dec-1");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->cost.pico(), 300'000'000);
  EXPECT_EQ(found->n_attempts, 2u);
  ASSERT_TRUE(found->outcome);
  EXPECT_EQ(found->outcome->finish_reason, FinishReason::length);
  EXPECT_EQ(found->outcome->usage.n_prompt, 200u);
  EXPECT_GE(found->outcome->latency_ms, 0);
  EXPECT_EQ(found->quality, 0.75);
}

TEST_F(DecisionStoreTest, AFailureIsKeptInAFewWords) {
  const DecisionRecord made = record("1", now_ms());
  store->decided(made);
  store->ended(made, Error{Errc::upstream, std::string(5000, 'x')});
  auto found = reader().decision("dec-1");
  ASSERT_TRUE(found && found->outcome);
  EXPECT_EQ(found->outcome->failed_as, Errc::upstream);
  EXPECT_EQ(found->outcome->failure.size(), 300u);
}

TEST_F(DecisionStoreTest, WordsAreKeptOnlyAsTheRulesSay) {
  for (auto [bodies, id] :
       {std::pair(Bodies::none, "1"), {Bodies::hash, "2"}, {Bodies::full, "3"}}) {
    rules.bodies = bodies;
    store->decided(record(id, now_ms()));
    store->asked(record(id, now_ms()), words(), rules);
  }
  DecisionRecord labelled = record("4", now_ms());
  labelled.facts.labels = {"secret"};
  store->decided(labelled);
  store->asked(labelled, words(), rules);
  const auto found = all();
  ASSERT_THAT(found, SizeIs(4));
  EXPECT_EQ(found[0].body_hash, "");
  EXPECT_THAT(found[1].body_hash, SizeIs(64));
  EXPECT_FALSE(found[1].body);
  EXPECT_EQ(found[2].body_hash, found[1].body_hash);
  ASSERT_TRUE(found[2].body);
  EXPECT_EQ(text_of(found[2].body->messages[0]), "my own words");
  EXPECT_FALSE(found[3].body) << "never of a labelled request";
  for (const StoredDecision& each : all(false)) EXPECT_FALSE(each.body);
}

TEST_F(DecisionStoreTest, OldOnesGoAndMoneyStays) {
  const int64_t old = now_ms() - 40 * 86'400'000ll;
  store->decided(record("1", old));
  store->decided(record("2", now_ms()));
  rules.keep_days = 30;
  store->tidy(rules);
  const auto found = all();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].record.decision.id, "dec-2");
}

TEST_F(DecisionStoreTest, TheOldestGoWhenTheFileIsFull) {
  for (int i = 0; i < 100; ++i) store->decided(record(std::to_string(i), now_ms()));
  rules.quota_bytes = 1;
  store->tidy(rules);
  const auto found = all();
  EXPECT_GE(found.size(), 70u);
  EXPECT_LE(found.size(), 80u);
  EXPECT_EQ(found.back().record.decision.id, "dec-99");
}

TEST_F(DecisionStoreTest, AFullDiskLosesRecordsAndNothingElse) {
  store->decided(record("1", now_ms()));
  ASSERT_TRUE(loop.run(ledger->flush()));
  vfs.fail_from(1, test::FaultVfs::Fault::no_space);
  Spend spend;
  spend.policy = std::make_shared<const Policy>();
  spend.price = Price{1, 1, 1};
  EXPECT_FALSE(loop.run(ledger->reserve(spend)));
  for (int i = 0; i < 1000; ++i) store->decided(record("lost", now_ms()));
  vfs.heal();
  EXPECT_TRUE(loop.run(ledger->reserve(spend)));
  store->decided(record("2", now_ms()));
  const auto found = all();
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].record.decision.id, "dec-1");
  EXPECT_EQ(found[1].record.decision.id, "dec-2");
}

TEST_F(DecisionStoreTest, SumsAreMadeByEveryKey) {
  Spend spend;
  spend.policy = std::make_shared<const Policy>();
  spend.price = Price{1, 1, 1};
  for (const char* target : {"a", "b", "b"}) {
    spend.party.target = target;
    spend.party.session = "s1";
    auto hold = loop.run(ledger->reserve(spend));
    Settlement settlement;
    settlement.reported.emplace();
    settlement.reported->n_prompt = 10;
    ledger->settle(*hold, settlement);
  }
  auto by_target = reader().sums(LedgerKey::target, {});
  ASSERT_TRUE(by_target);
  ASSERT_THAT(*by_target, SizeIs(2));
  EXPECT_EQ((*by_target)[0].key, "b") << "the dearest first";
  EXPECT_EQ((*by_target)[0].cost.pico(), 20'000'000);
  for (const auto& [key, name] : EnumNames<LedgerKey>::names) {
    auto sums = reader().sums(key, {});
    ASSERT_TRUE(sums) << sums.error().message;
    uint64_t n = 0;
    for (const LedgerSum& sum : *sums) n += sum.n_attempts;
    EXPECT_EQ(n, 3u) << name;
  }
  auto none = reader().sums(LedgerKey::target, {0, 1});
  EXPECT_TRUE(none && none->empty());
}

TEST(LedgerReader, SaysThatThereIsNoneYet) {
  test::TemporaryFolder folder;
  auto none = LedgerReader::open(folder.path());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::not_found);
}

TEST(OutputHistory, KnowsHowLongAnswersAreOnceEnoughWereSeen) {
  OutputHistory history;
  for (int i = 0; i < 49; ++i) history.add(TaskClass::title, "a", {}, 10);
  EXPECT_FALSE(history.p99(TaskClass::title, "a", {}));
  for (int i = 0; i < 951; ++i) history.add(TaskClass::title, "a", {}, 10);
  for (int i = 0; i < 10; ++i) history.add(TaskClass::title, "a", {}, 5000);
  const uint32_t most = history.p99(TaskClass::title, "a", {}).value();
  EXPECT_GE(most, 10u);
  EXPECT_LE(most, 13u) << "a bucket's width";
  for (int i = 0; i < 10; ++i) history.add(TaskClass::title, "a", {}, 5000);
  EXPECT_GE(history.p99(TaskClass::title, "a", {}).value(), 5000u);
  EXPECT_FALSE(history.p99(TaskClass::chat, "a", {}));
  EXPECT_FALSE(history.p99(TaskClass::title, "b", {}));
  EXPECT_FALSE(history.p99(TaskClass::title, "a", Effort::high)) << "more thoughts are longer";
}

}  // namespace
}  // namespace hearth::router
