#include "service/route_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/session/loop.h"
#include "router/ledger_reader.h"
#include "support/temporary_folder.h"

namespace hearth {
namespace {

using ::testing::HasSubstr;

class RouteJournalTest : public ::testing::Test {
 protected:
  RouteJournalTest() {
    router::Ledger::Options options;
    options.folder = folder / "ledger";
    auto opened = router::Ledger::open(loop.executor(), options);
    if (opened) ledger = std::move(*opened);
  }
  test::TemporaryFolder folder;
  test::Loop loop;
  std::unique_ptr<router::Ledger> ledger;
  Metrics metrics;
};

TEST_F(RouteJournalTest, CountsEveryRequestOnceWhereverItCameFrom) {
  RouteJournal journal(metrics, *ledger);
  auto page = [&] { return metrics.prometheus({}); };
  router::DecisionRecord record;
  Completion completion;
  completion.usage = {10, 4, 3, 1};

  record.facts.origin = router::Origin::session;
  journal.decided(record);
  EXPECT_THAT(page(), HasSubstr("\nhearth_requests_running 1\n"));
  journal.ended(record, completion);
  EXPECT_THAT(page(), HasSubstr("\nhearth_requests_running 0\n"));
  EXPECT_THAT(page(), HasSubstr(R"(hearth_requests_total{wire="session",outcome="ok"} 1)"));
  EXPECT_THAT(page(), HasSubstr("\nhearth_prompt_tokens_total 10\n"));

  record.facts.origin = router::Origin::chat;
  journal.decided(record);
  journal.ended(record, Error{Errc::cancelled, "gone"});
  record.facts.origin = router::Origin::completions;
  journal.decided(record);
  journal.ended(record, Error{Errc::denied, "no"});
  EXPECT_THAT(page(), HasSubstr(R"(hearth_requests_total{wire="chat",outcome="cancelled"} 1)"));
  EXPECT_THAT(page(), HasSubstr(R"(hearth_requests_total{wire="completions",outcome="failed"} 1)"));
  EXPECT_THAT(page(), HasSubstr(R"(hearth_requests_total{wire="session",outcome="ok"} 1)"));
}

TEST_F(RouteJournalTest, WritesDownWhatAnotherPolicyWillBeJudgedBy) {
  RouteJournal journal(metrics, *ledger);
  router::DecisionRecord record;
  record.time_ms = 1000;
  record.facts.id = "req-1";
  record.decision.id = "dec-1";
  record.decision.target = "local";
  Completion completion;
  completion.usage = {10, 4, 3, 1};
  journal.decided(record);
  journal.ended(record, completion);
  ASSERT_TRUE(loop.run(ledger->flush()));
  auto reader = router::LedgerReader::open(folder / "ledger");
  ASSERT_TRUE(reader) << reader.error().message;
  auto stored = reader->decision("req-1");
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(stored->record.decision.target, "local");
  ASSERT_TRUE(stored->outcome);
  EXPECT_EQ(stored->outcome->usage.n_prompt, 10u);
}

TEST_F(RouteJournalTest, ShowsBudgetsAndWhatTheyRefused) {
  RouteJournal journal(metrics, *ledger);
  router::DecisionRecord record;
  record.decision.refused_as = Errc::over_budget;
  journal.decided(record);
  auto policy = std::make_shared<router::Policy>();
  policy->budgets.push_back({"day", 0.5, router::Per::day, true});
  const std::string page = metrics.prometheus({0, nullptr, ledger.get(), policy});
  EXPECT_THAT(page, HasSubstr("\nhearth_budget_refusals_total 1\n"));
  EXPECT_THAT(page, HasSubstr("\nhearth_budget_usd{budget=\"day\"} 0.5\n"));
  EXPECT_THAT(page, HasSubstr("\nhearth_budget_left_usd{budget=\"day\"} 0.5\n"));
  EXPECT_THAT(page, HasSubstr("\nhearth_reserved_usd 0\n"));
}

}  // namespace
}  // namespace hearth
