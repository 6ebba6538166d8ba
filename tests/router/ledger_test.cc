// The ledger with a real file: walls that hold, sums that are exact, nothing lost with the process,
// with the disk or with the client.
#include "router/ledger.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <random>

#include "daemon/session/loop.h"
#include "ledger/rows.h"
#include "router/ledger_reader.h"
#include "support/fault_vfs.h"
#include "support/file.h"
#include "support/temporary_folder.h"

namespace hearth::router {
namespace {

using test::FaultVfs;
using test::Loop;
using test::TemporaryFolder;
using ::testing::HasSubstr;

constexpr int64_t kHour = 3'600'000, kDay = 24 * kHour;
constexpr int64_t kNoon = 1'796'040'000'000;  // 30 November 2026 in any zone

Budget hard(std::string scope, double usd) {
  Budget budget;
  budget.per = period_of(scope).value();
  budget.scope = std::move(scope);
  budget.usd = usd;
  return budget;
}

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest() { start(); }

  void start() {
    Ledger::Options options;
    options.folder = folder / "ledger";
    options.vfs = vfs_name;
    options.now_ms = [this] { return now_ms; };
    auto opened = Ledger::open(loop.executor(), options);
    ASSERT_TRUE(opened) << opened.error().message;
    ledger = std::move(*opened);
  }
  void restart() {
    ledger.reset();
    start();
  }

  Spend spend(uint32_t max_output = 1000) {
    Spend made;
    made.policy = std::make_shared<const Policy>(policy);
    made.decision = "dec-1";
    made.request = "req-1";
    made.party.target = "sonnet";
    made.provider = "anthropic";
    made.model = "claude-sonnet-5";
    made.price = price;
    made.n_prompt_estimate = 1000;
    made.max_output = max_output;
    return made;
  }
  Result<Hold> reserve(Spend of) { return loop.run(ledger->reserve(std::move(of))); }

  static Settlement settled(uint32_t n_prompt, uint32_t n_output) {
    Settlement settlement;
    settlement.reported.emplace();
    settlement.reported->n_prompt = n_prompt;
    settlement.reported->n_completion = n_output;
    return settlement;
  }
  int64_t spent() { return ledger->spent_since(Per::ever).pico(); }

  std::vector<AttemptRow> rows() {
    EXPECT_TRUE(loop.run(ledger->flush()));
    auto database = storage::Database::open(Ledger::file_in(folder / "ledger"),
                                            storage::Database::Mode::read_only);
    auto query = database->prepare(fmt::format("SELECT {} FROM attempts ORDER BY id", kRowColumns));
    std::vector<AttemptRow> found;
    while (*query->step()) found.push_back(row_of(*query));
    return found;
  }

  TemporaryFolder folder;
  std::string vfs_name;
  int64_t now_ms = kNoon;
  Loop loop;
  Policy policy;
  Price price{3, 0.3, 15, 3.75, 6, {}, {}};
  std::unique_ptr<Ledger> ledger;
};

TEST_F(LedgerTest, AReservationBecomesTheBill) {
  auto hold = reserve(spend());
  ASSERT_TRUE(hold) << hold.error().message;
  EXPECT_GT(hold->amount, PicoUsd());
  ASSERT_EQ(rows().size(), 1u) << "on the disk before anything is sent";
  EXPECT_EQ(rows()[0].state, AttemptState::reserved);
  EXPECT_EQ(rows()[0].cost, hold->amount);

  Settlement settlement = settled(1000, 200);
  settlement.reported->n_cached = 600;
  settlement.reported->n_cache_write = 100;
  const PicoUsd cost = ledger->settle(*hold, settlement);
  EXPECT_EQ(cost.pico(),
            300LL * 3'000'000 + 600 * 300'000 + 100LL * 3'750'000 + 200LL * 15'000'000);
  const AttemptRow row = rows().at(0);
  EXPECT_EQ(row.state, AttemptState::settled);
  EXPECT_EQ(row.cost, cost);
  EXPECT_EQ(row.reserved, hold->amount);
  EXPECT_EQ(row.usage.n_cached, 600u);
  EXPECT_EQ(row.rates.output.pico(), 15'000'000);
  EXPECT_EQ(spent(), cost.pico());
  EXPECT_EQ(ledger->held(), PicoUsd());
}

TEST_F(LedgerTest, WhatIsReleasedCostsNothingAndKeepsItsRow) {
  auto hold = reserve(spend());
  ledger->release(*hold);
  EXPECT_EQ(rows().at(0).state, AttemptState::released);
  EXPECT_EQ(spent(), 0);
  ledger->release(*hold);  // twice is once
  EXPECT_EQ(ledger->settle(*hold, settled(1, 1)), PicoUsd());
}

TEST_F(LedgerTest, LocalAnswersHaveARowAndNeverWaitForTheDisk) {
  Spend local = spend();
  local.price.reset();
  local.provider.clear();
  local.party.target = "local";
  auto hold = reserve(local);
  ASSERT_TRUE(hold);
  EXPECT_EQ(ledger->settle(*hold, settled(10, 5)), PicoUsd());
  const AttemptRow row = rows().at(0);
  EXPECT_EQ(row.party.target, "local");
  EXPECT_EQ(row.usage.n_prompt, 10u);
  EXPECT_EQ(row.cost, PicoUsd());
}

TEST_F(LedgerTest, SixtyFourAtOnceNeverPassANearlySpentBudget) {
  policy.budgets = {hard("day", 0.10)};
  std::mt19937_64 random(1);
  int n_held = 0, n_refused = 0;
  std::vector<Hold> holds;
  auto ask = [&]() -> Task<> {
    auto hold = co_await ledger->reserve(spend(2000));
    if (!hold) {
      EXPECT_EQ(hold.error().code, Errc::over_budget) << hold.error().message;
      EXPECT_THAT(hold.error().message, HasSubstr("budget day is $0.10"));
      ++n_refused;
      co_return;
    }
    ++n_held;
    holds.push_back(*hold);
  };
  for (int i = 0; i < 64; ++i) loop.start(ask());
  loop.run_until([&] { return n_held + n_refused == 64; });
  EXPECT_GT(n_held, 1);
  EXPECT_GT(n_refused, 1);
  EXPECT_LE(ledger->held(), PicoUsd::from_usd(0.10));
  // Each costs the most that its hold pays for.
  for (const Hold& hold : holds) {
    Settlement worst = settled(4 * 1000 + 512, hold.max_output_tokens);
    worst.reported->n_cache_write = worst.reported->n_prompt;
    EXPECT_EQ(ledger->settle(hold, worst), hold.amount);
  }
  EXPECT_LE(spent(), PicoUsd::from_usd(0.10).pico());
  EXPECT_EQ(ledger->totals().n_overshot, 0u);
}

// However dear a tokenizer reads a text, and into whichever class of cache its provider puts it.
TEST_F(LedgerTest, NoBillPassesItsHoldNorAllOfThemTheBudget) {
  std::mt19937_64 random(8);
  auto below = [&](uint64_t n) { return static_cast<uint32_t>(random() % n); };
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    ledger.reset();
    std::filesystem::remove_all(folder / "ledger");
    start();
    const double usd = 0.02 + 0.01 * round;
    policy.budgets = {hard("day", usd)};
    struct Held {
      Hold hold;
      Spend spend;
    };
    std::vector<Held> held;
    int n_asked = 0;
    auto ask = [&](Spend of) -> Task<> {
      auto hold = co_await ledger->reserve(of);
      ++n_asked;
      if (hold) held.push_back({*hold, of});
    };
    for (int i = 0; i < 64; ++i) {
      Spend of = spend(below(3000));
      of.n_prompt_estimate = 1 + below(3000);
      of.asks_for_hour_cache = below(2);
      loop.start(ask(std::move(of)));
    }
    loop.run_until([&] { return n_asked == 64; });
    for (const Held& each : held) {
      // A token of every byte, all of the answer that was paid for.
      const auto n_prompt = static_cast<uint32_t>(4 * each.spend.n_prompt_estimate + 512);
      Settlement bill = settled(below(4) ? n_prompt : below(n_prompt), each.hold.max_output_tokens);
      Usage& usage = *bill.reported;
      (each.spend.asks_for_hour_cache ? usage.n_cache_write_1h : usage.n_cache_write) =
          below(2) ? usage.n_prompt : below(usage.n_prompt + 1);
      EXPECT_LE(ledger->settle(each.hold, bill), each.hold.amount);
    }
    EXPECT_LE(spent(), PicoUsd::from_usd(usd).pico());
    EXPECT_EQ(ledger->totals().n_overshot, 0u);
  }
}

TEST_F(LedgerTest, AnAnswerWithoutACountIsBilledForNoMoreThanWasAskedFor) {
  policy.budgets = {hard("day", 1)};
  auto hold = reserve(spend(50));
  ASSERT_TRUE(hold);
  Settlement silent;
  silent.estimate = estimate_usage(1000, 90'000);  // long words
  EXPECT_EQ(ledger->settle(*hold, silent).pico(), 1000LL * 3'000'000 + 50LL * 15'000'000);
}

TEST_F(LedgerTest, ABudgetIsUsedToItsEnd) {
  policy.budgets = {hard("day", 0.10)};
  int n_answers = 0;
  for (; n_answers < 1000; ++n_answers) {
    auto hold = reserve(spend(0));
    if (!hold) break;
    ASSERT_GE(hold->max_output_tokens, 1024u) << "an answer worth its prompt";
    ledger->settle(*hold, settled(1000, 100));
  }
  EXPECT_GT(spent(), PicoUsd::from_usd(0.10 * 0.5).pico());
  EXPECT_LE(spent(), PicoUsd::from_usd(0.10).pico());
}

TEST_F(LedgerTest, ASoftBudgetRefusesNothing) {
  policy.budgets = {hard("day", 0.000001)};
  policy.budgets[0].is_hard = false;
  auto hold = reserve(spend());
  ASSERT_TRUE(hold);
  EXPECT_EQ(hold->max_output_tokens, 0u);
}

TEST_F(LedgerTest, FreeTargetsAreOpenWhenTheBudgetIsSpent) {
  policy.budgets = {hard("day", 0)};
  EXPECT_FALSE(reserve(spend()));
  Spend local = spend();
  local.price = Price{};
  EXPECT_TRUE(reserve(local));
  Target target;
  target.price = price;
  RequestFacts facts;
  facts.n_prompt_estimate = 10;
  EXPECT_TRUE(shortfall(ledger->means(policy, facts, target, {})));
  target.price = Price{};
  EXPECT_FALSE(shortfall(ledger->means(policy, facts, target, {})));
}

TEST_F(LedgerTest, MoreThoughtsNeedMoreMoney) {
  policy.budgets = {hard("day", 1)};
  Target target;
  target.price = price;
  RequestFacts facts;
  facts.n_prompt_estimate = 10;
  auto needed = [&](std::optional<Effort> effort) {
    return ledger->means(policy, facts, target, effort).needed;
  };
  EXPECT_EQ(needed(Effort::none), needed({}));
  EXPECT_GT(needed(Effort::high), 3 * needed(Effort::none));
  Spend high = spend(0);
  high.effort = Effort::high;
  auto hold = reserve(high);
  ASSERT_TRUE(hold);
  EXPECT_GE(hold->max_output_tokens, 3 * 1024u);
  ledger->settle(*hold, settled(100, 200));
  ASSERT_TRUE(loop.run(ledger->flush()));
  auto reader = LedgerReader::open(folder / "ledger");
  ASSERT_TRUE(reader) << reader.error().message;
  std::optional<Effort> written;
  ASSERT_TRUE(reader->rows({}, [&](const AttemptRow& row) {
    written = row.effort;
    return true;
  }));
  EXPECT_EQ(written, Effort::high);
}

TEST_F(LedgerTest, WhatIsOnlyReadNeedsMoneyForItsPromptAndSaysNothingOfAnswers) {
  policy.budgets = {hard("day", 10)};
  Target target;
  target.name = "sonnet";
  target.price = price;
  RequestFacts facts;
  facts.n_prompt_estimate = 1000;
  const int64_t usual = ledger->means(policy, facts, target, {}).needed;
  facts.only_reads = true;
  const int64_t prompt = ledger->means(policy, facts, target, {}).needed;
  EXPECT_EQ(usual - prompt, 1024LL * 15'000'000);
  Spend scored = spend(0);
  scored.only_reads = true;
  for (int i = 0; i < 60; ++i) {
    auto hold = reserve(scored);
    ASSERT_TRUE(hold);
    EXPECT_EQ(hold->amount.pico(), prompt);
    ledger->settle(*hold, settled(1000, 0));
  }
  facts.only_reads = false;
  EXPECT_EQ(ledger->means(policy, facts, target, {}).needed, usual);
  restart();
  EXPECT_EQ(ledger->means(policy, facts, target, {}).needed, usual) << "nor after a start";
}

TEST_F(LedgerTest, TheTightestBudgetIsNamed) {
  policy.budgets = {hard("month", 10), hard("project:shop", 0.001), hard("day", 5)};
  Spend shop = spend();
  shop.party.project = "shop";
  auto refused = reserve(shop);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("budget project:shop is $0.0010"));
  EXPECT_TRUE(reserve(spend())) << "another project's";
}

TEST_F(LedgerTest, ADayLaterTheBudgetIsOpenAgain) {
  policy.budgets = {hard("day", 0.04), hard("month", 1)};
  auto hold = reserve(spend());
  ASSERT_TRUE(hold);
  ledger->settle(*hold, settled(1000, 2000));
  EXPECT_FALSE(reserve(spend()));
  now_ms += kDay;
  EXPECT_TRUE(reserve(spend()));
  now_ms -= 2 * kDay;
  EXPECT_FALSE(reserve(spend())) << "a clock that is set back opens nothing";
}

TEST_F(LedgerTest, ABillThatEndsAfterMidnightCountsWhereItWasReserved) {
  policy.budgets = {hard("day", 0.05)};
  auto hold = reserve(spend());
  now_ms += kDay;
  ledger->settle(*hold, settled(1000, 1000));
  EXPECT_EQ(ledger->spent_since(Per::day), PicoUsd());
  EXPECT_EQ(ledger->held(), PicoUsd());
  EXPECT_EQ(rows().at(0).time_ms, kNoon);
}

TEST_F(LedgerTest, NonsenseIsBilledBySizeAndNeverNegative) {
  auto billed = [&](const Settlement& settlement) {
    auto hold = reserve(spend());
    EXPECT_TRUE(hold);
    return ledger->settle(*hold, settlement);
  };
  Settlement nonsense = settled(10, 10);
  nonsense.estimate = estimate_usage(1000, 300);
  const int64_t expected = 1000LL * 3'000'000 + 100LL * 15'000'000;
  for (auto spoil : {+[](Usage& u) { u.n_cached = 11; }, +[](Usage& u) { u.n_reasoning = 11; },
                     +[](Usage& u) { u.n_prompt = UINT32_MAX; },
                     +[](Usage& u) { u.n_completion = UINT32_MAX; }}) {
    Settlement spoilt = nonsense;
    spoil(*spoilt.reported);
    EXPECT_EQ(billed(spoilt).pico(), expected);
  }
  Settlement silent = nonsense;
  silent.reported.reset();
  EXPECT_EQ(billed(silent).pico(), expected);
  Settlement negative = settled(10, 10);
  negative.reported_cost = PicoUsd(-5);
  EXPECT_EQ(billed(negative).pico(), 10 * 3'000'000 + 10 * 15'000'000);
  for (const AttemptRow& row : rows()) EXPECT_GE(row.cost, PicoUsd());
  EXPECT_EQ(ledger->totals().n_estimated, 5u);
}

TEST_F(LedgerTest, TheProvidersOwnBillWinsAndDriftIsFlagged) {
  auto hold = reserve(spend());
  Settlement settlement = settled(1000, 100);
  settlement.reported_cost = PicoUsd(4'500'000'000);
  EXPECT_EQ(ledger->settle(*hold, settlement).pico(), 4'500'000'000) << "as computed";
  EXPECT_EQ(ledger->totals().n_drifted, 0u);
  hold = reserve(spend());
  settlement.reported_cost = PicoUsd(5'000'000'001);
  EXPECT_EQ(ledger->settle(*hold, settlement).pico(), 5'000'000'001);
  EXPECT_EQ(ledger->totals().n_drifted, 1u);
  EXPECT_EQ(rows().back().reported, PicoUsd(5'000'000'001));
}

TEST_F(LedgerTest, SumsEqualTheScriptedUpstreamsBillAlsoAfterARestart) {
  std::mt19937_64 random(5);
  __int128 upstream = 0;
  for (int i = 0; i < 100; ++i) {
    auto hold = reserve(spend(1 + static_cast<uint32_t>(random() % 4000)));
    ASSERT_TRUE(hold);
    const auto n_prompt = static_cast<uint32_t>(random() % 2000);
    const auto n_cached = static_cast<uint32_t>(random() % (n_prompt + 1));
    Settlement settlement = settled(n_prompt, static_cast<uint32_t>(random() % 1000));
    settlement.reported->n_cached = n_cached;
    upstream += __int128{n_prompt - n_cached} * 3'000'000 + __int128{n_cached} * 300'000 +
                __int128{settlement.reported->n_completion} * 15'000'000;
    ledger->settle(*hold, settlement);
    now_ms += 7 * 60'000;
  }
  EXPECT_EQ(__int128{spent()}, upstream);
  __int128 of_rows = 0;
  for (const AttemptRow& row : rows()) of_rows += row.cost.pico();
  EXPECT_EQ(of_rows, upstream);
  restart();
  EXPECT_EQ(__int128{spent()}, upstream);
}

TEST_F(LedgerTest, WhatWasUnderWayIsUnknownAfterARestartAndCountsUntilItIsDecided) {
  policy.budgets = {hard("day", 0.04)};
  auto hold = reserve(spend());
  ASSERT_TRUE(hold);
  restart();
  EXPECT_EQ(ledger->n_unknown(), 1u);
  EXPECT_EQ(rows().at(0).state, AttemptState::unknown);
  EXPECT_EQ(spent(), hold->amount.pico());
  EXPECT_FALSE(reserve(spend()));
  EXPECT_FALSE(loop.run(ledger->decide(77, PicoUsd())));
  ASSERT_TRUE(loop.run(ledger->decide(hold->id, PicoUsd(5))));
  EXPECT_EQ(spent(), 5);
  EXPECT_EQ(rows().at(0).state, AttemptState::decided);
  EXPECT_TRUE(reserve(spend()));
}

TEST_F(LedgerTest, RemembersWhatASessionDidSinceItsUserSpoke) {
  auto recalled = [&](uint32_t n_spoken) {
    RequestFacts facts;
    facts.session = "s1";
    facts.rounds.n_spoken = n_spoken;
    ledger->recall(facts);
    return std::pair(facts.rounds.n_tokens, facts.rounds.ms);
  };
  Spend of_session = spend();
  of_session.party.session = "s1";
  of_session.n_spoken = 1;
  for (int i = 0; i < 3; ++i) {
    auto hold = reserve(of_session);
    ledger->settle(*hold, settled(100, 10));
    now_ms += 1000;
  }
  EXPECT_EQ(recalled(1), std::pair(uint64_t{330}, uint64_t{3000}));
  EXPECT_EQ(recalled(2), std::pair(uint64_t{0}, uint64_t{0})) << "the user spoke";
  now_ms -= kDay;
  EXPECT_EQ(recalled(1).second, 0u) << "no time is negative";
}

TEST_F(LedgerTest, RowsOfMonthsAgoStillCountInAll) {
  auto hold = reserve(spend());
  ledger->settle(*hold, settled(1000, 0));
  now_ms += 200 * kDay;
  restart();
  EXPECT_EQ(spent(), 1000LL * 3'000'000);
  EXPECT_EQ(ledger->spent_since(Per::month), PicoUsd());
}

TEST_F(LedgerTest, ADamagedOneOpensNoBudget) {
  ledger->settle(*reserve(spend()), settled(1000, 10));
  ledger.reset();
  const std::string path = Ledger::file_in(folder / "ledger");
  ASSERT_TRUE(file::write_atomic(path, std::string(8192, 'x')));
  start();
  EXPECT_NE(ledger->set_aside(), "");
  EXPECT_TRUE(reserve(spend())) << "without a budget there is no wall";
  policy.budgets = {hard("day", 100)};
  auto refused = reserve(spend());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::over_budget);
  EXPECT_THAT(refused.error().message, HasSubstr(".damaged-"));
  restart();
  EXPECT_FALSE(reserve(spend())) << "a restart forgets nothing";
  std::filesystem::remove(refused.error().message.substr(
      refused.error().message.find('/'),
      refused.error().message.find(" is damaged") - refused.error().message.find('/')));
  restart();
  EXPECT_TRUE(reserve(spend()));
}

// Any order of holds, bills, releases, days and restarts, beside a model that is a list.
TEST_F(LedgerTest, SumsAndWallsHoldInAnyOrder) {
  struct Known {
    Hold hold;
    int64_t day = 0, pico = 0;
    bool is_open = false;
  };
  policy.budgets = {hard("day", 0.30), hard("all", 1.50)};
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    ledger.reset();
    std::filesystem::remove_all(folder / "ledger");
    now_ms = kNoon;
    start();
    std::vector<Known> known;
    auto sum = [&](auto wanted) {
      int64_t pico = 0;
      for (const Known& each : known)
        if (wanted(each)) pico += each.pico;
      return pico;
    };
    for (int step = 0; step < 250; ++step) {
      const uint64_t what = random() % 100;
      std::vector<Known*> open;
      for (Known& each : known)
        if (each.is_open) open.push_back(&each);
      if (what < 45) {
        auto hold = reserve(spend(static_cast<uint32_t>(random() % 3000)));
        if (hold) known.push_back({*hold, now_ms / kDay, hold->amount.pico(), true});
      } else if (what < 80 && !open.empty()) {
        Known& each = *open[random() % open.size()];
        each.pico =
            ledger
                ->settle(
                    each.hold,
                    settled(static_cast<uint32_t>(random() % 4512),
                            static_cast<uint32_t>(random() % (each.hold.max_output_tokens + 1))))
                .pico();
        each.is_open = false;
      } else if (what < 90 && !open.empty()) {
        Known& each = *open[random() % open.size()];
        ledger->release(each.hold);
        each.pico = 0;
        each.is_open = false;
      } else if (what < 95) {
        now_ms += kDay;
      } else if (what < 97) {
        restart();  // what was open counts at its most from now on
        for (Known* each : open) each->is_open = false;
      }
      const int64_t all = sum([](const Known&) { return true; });
      const int64_t held = sum([](const Known& each) { return each.is_open; });
      const int64_t today = sum([&](const Known& each) { return each.day == now_ms / kDay; });
      ASSERT_EQ(ledger->spent(policy.budgets[1]).spent.pico(), all - held);
      ASSERT_EQ(ledger->spent(policy.budgets[1]).held.pico(), held);
      const Spending::Sums of_day = ledger->spent(policy.budgets[0]);
      ASSERT_EQ((of_day.spent + of_day.held).pico(), today);
      ASSERT_LE(all, policy.budgets[1].limit().pico());
      ASSERT_LE(today, policy.budgets[0].limit().pico());
    }
    int64_t of_rows = 0;
    for (const AttemptRow& row : rows()) of_rows += row.cost.pico();
    EXPECT_EQ(of_rows, sum([](const Known&) { return true; }));
    EXPECT_EQ(ledger->totals().n_overshot, 0u);
  }
}

// ---- failing disks ----

class LedgerOnABadDisk : public LedgerTest {
 protected:
  LedgerOnABadDisk() {
    ledger.reset();
    vfs_name = vfs.name();
    start();
  }
  ~LedgerOnABadDisk() override { ledger.reset(); }
  FaultVfs vfs{3};
};

TEST_F(LedgerOnABadDisk, NothingIsSentThatCannotBeWrittenDown) {
  vfs.fail_from(1, FaultVfs::Fault::no_space);
  auto hold = reserve(spend());
  ASSERT_FALSE(hold);
  EXPECT_EQ(hold.error().code, Errc::io);
  EXPECT_THAT(hold.error().message, HasSubstr("disk is full"));
  EXPECT_EQ(ledger->held(), PicoUsd()) << "no money is left behind";
  Spend local = spend();
  local.price.reset();
  auto here = reserve(local);
  ASSERT_TRUE(here) << "this machine answers on";
  ledger->settle(*here, settled(1, 1));
  EXPECT_EQ(ledger->totals().n_dropped, 1u);
  vfs.heal();
  ASSERT_TRUE(reserve(spend()));
  EXPECT_EQ(rows().size(), 1u) << "the failed one is not there";
}

TEST_F(LedgerOnABadDisk, ABillThatFindsNoRoomIsWrittenLater) {
  auto hold = reserve(spend());
  ASSERT_TRUE(hold);
  vfs.fail_from(1, FaultVfs::Fault::no_space);
  const PicoUsd cost = ledger->settle(*hold, settled(1000, 10));
  EXPECT_FALSE(loop.run(ledger->flush()));
  EXPECT_EQ(spent(), cost.pico()) << "the budget knows";
  vfs.heal();
  EXPECT_EQ(rows().at(0).cost, cost);
  restart();
  EXPECT_EQ(spent(), cost.pico());
}

TEST_F(LedgerOnABadDisk, AnyOperationMayFailAndTheSumsStayExact) {
  for (uint64_t nth = 1; nth <= 40; ++nth) {
    SCOPED_TRACE(nth);
    ledger.reset();
    std::filesystem::remove_all(folder / "ledger");
    start();
    const auto fault = nth % 2 ? FaultVfs::Fault::no_space : FaultVfs::Fault::io_error;
    vfs.fail_from(nth, fault);
    int64_t billed = 0;
    for (int i = 0; i < 12; ++i) {
      auto hold = reserve(spend());
      if (!hold) {
        vfs.heal();
        continue;
      }
      billed += ledger->settle(*hold, settled(100 * static_cast<uint32_t>(i + 1), 10)).pico();
    }
    vfs.heal();
    EXPECT_EQ(spent(), billed);
    ASSERT_TRUE(loop.run(ledger->flush()));
    restart();
    EXPECT_EQ(spent(), billed);
    EXPECT_EQ(ledger->n_unknown(), 0u);
  }
}

// ---- a killed daemon ----

// A child spends as fast as it can under a budget and tells of each hold before it "sends" and of
// each bill after; the parent kills it. What was sent is in the ledger, and the wall holds across
// the kills.
TEST(KilledLedger, KeepsEveryCentThatWasSentAndTheWallHolds) {
  TemporaryFolder folder;
  Policy policy;
  policy.budgets = {hard("all", 0.60)};
  std::map<int64_t, int64_t> sent;     // hold -> its amount
  std::map<int64_t, int64_t> settled;  // hold -> its bill, as acknowledged
  std::mt19937_64 random(11);
  for (int cycle = 0; cycle < 12; ++cycle) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      Loop loop;
      Ledger::Options options;
      options.folder = folder / "ledger";
      options.now_ms = [] { return kNoon; };
      auto ledger = Ledger::open(loop.executor(), options);
      if (!ledger) std::_Exit(3);
      auto tell = [&](char what, int64_t id, int64_t pico) {
        std::string line = fmt::format("{} {} {}\n", what, id, pico);
        if (::write(ends[1], line.data(), line.size()) < 0) std::_Exit(0);
      };
      for (;;) {
        Spend spend;
        spend.policy = std::make_shared<const Policy>(policy);
        spend.price = Price{3, 0.3, 15};
        spend.n_prompt_estimate = 100;
        spend.max_output = 50;
        auto hold = loop.run((*ledger)->reserve(std::move(spend)));
        if (!hold) {
          tell('x', 0, 0);
          ::pause();
        }
        tell('s', hold->id, hold->amount.pico());
        Settlement settlement;
        settlement.reported.emplace();
        settlement.reported->n_prompt = 100;
        settlement.reported->n_completion = 10;
        const int64_t cost = (*ledger)->settle(*hold, settlement).pico();
        if (hold->id % 3 == 0 && loop.run((*ledger)->flush())) tell('b', hold->id, cost);
      }
    }
    ::close(ends[1]);
    std::string lines;
    char buffer[4096];
    const size_t n_wanted = 1 + random() % 60;
    bool is_killed = false;
    for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
      lines.append(buffer, static_cast<size_t>(n));
      const auto n_lines = static_cast<size_t>(std::count(lines.begin(), lines.end(), '\n'));
      if (is_killed || (n_lines < n_wanted && lines.find('x') == lines.npos)) continue;
      ::kill(child, SIGKILL);
      is_killed = true;
    }
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    for (size_t at = 0; at < lines.size();) {
      const size_t end = lines.find('\n', at);
      if (end == lines.npos) break;
      char what = 0;
      long id = 0, pico = 0;
      if (std::sscanf(lines.c_str() + at, "%c %ld %ld", &what, &id, &pico) == 3 && what == 's')
        sent[id] = pico;
      if (what == 'b') settled[id] = pico;
      at = end + 1;
    }
  }
  Loop loop;
  Ledger::Options options;
  options.folder = folder / "ledger";
  options.now_ms = [] { return kNoon; };
  auto ledger = Ledger::open(loop.executor(), options);
  ASSERT_TRUE(ledger) << ledger.error().message;
  EXPECT_GT(sent.size(), 50u);
  EXPECT_LE((*ledger)->spent_since(Per::ever), PicoUsd::from_usd(0.60));
  auto database = storage::Database::open(Ledger::file_in(folder / "ledger"),
                                          storage::Database::Mode::read_only);
  auto query = database->prepare(fmt::format("SELECT {} FROM attempts", kRowColumns));
  std::map<int64_t, AttemptRow> rows;
  while (*query->step()) {
    AttemptRow row = row_of(*query);
    rows.emplace(row.id, row);
  }
  int64_t sum = 0;
  for (const auto& [id, row] : rows) sum += row.cost.pico();
  EXPECT_EQ((*ledger)->spent_since(Per::ever).pico(), sum);
  for (const auto& [id, amount] : sent) {
    ASSERT_TRUE(rows.contains(id)) << id << " was sent and is not in the ledger";
    const AttemptRow& row = rows.at(id);
    if (row.state == AttemptState::unknown)
      EXPECT_EQ(row.cost.pico(), amount) << "an unknown one counts at its most";
    else
      EXPECT_EQ(row.state, AttemptState::settled);
  }
  for (const auto& [id, cost] : settled) {
    EXPECT_EQ(rows.at(id).state, AttemptState::settled);
    EXPECT_EQ(rows.at(id).cost.pico(), cost);
  }
}

}  // namespace
}  // namespace hearth::router
