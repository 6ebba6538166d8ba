#include "service/route_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/session/loop.h"
#include "egress/reader.h"
#include "router/ledger_reader.h"
#include "service/egress_journal.h"
#include "support/temporary_folder.h"

namespace hearth {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Two legs of one request, then a transfer that nobody announced.
TEST(EgressJournal, KnowsWhatATransferCarriesUntilAllOfItsRequestHaveEnded) {
  test::TemporaryFolder folder;
  auto ledger = egress::Ledger::open(folder / "egress");
  ASSERT_TRUE(ledger);
  EgressJournal journal(std::move(*ledger), [] { return 90u; });
  router::DecisionRecord record;
  record.facts.id = "req-1";
  record.decision.id = "dec-1";
  router::Target target;
  ASSERT_TRUE(journal.sending(record, target, {}));
  ASSERT_TRUE(journal.sending(record, target, {}));
  const Egress transfer{"req-1", "POST", {"api.example.com:443"}};
  for (int i = 0; i < 3; ++i) journal.sink()(transfer);
  auto records = egress::read_records(folder / "egress", {});
  ASSERT_TRUE(records) << records.error().message;
  std::vector<std::string> decisions;
  for (const egress::Record& each : *records) decisions.push_back(each.decision);
  EXPECT_THAT(decisions, ::testing::ElementsAre("dec-1", "dec-1", ""));
}

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

TEST_F(RouteJournalTest, AttemptsHaveTheNamesOfOpenTelemetry) {
  RouteJournal journal(metrics, *ledger);
  EXPECT_THAT(metrics.prometheus({}), Not(HasSubstr("gen_ai_"))) << "nothing was seen yet";
  router::DecisionRecord record;
  record.facts.origin = router::Origin::chat;
  router::AttemptRecord attempt;
  attempt.provider = "anthropic";
  attempt.model = "claude \"5\"";
  attempt.total_ms = 1500;
  attempt.first_word_ms = 500;
  attempt.usage.n_prompt = 100;
  attempt.usage.n_completion = 21;
  journal.attempted(record, attempt);
  attempt.failed_as = Errc::timeout;
  journal.attempted(record, attempt);
  const std::string page = metrics.prometheus({});
  const std::string who =
      R"(gen_ai_operation_name="chat",gen_ai_provider_name="anthropic",gen_ai_request_model="claude \"5\"")";
  for (const std::string& line : std::vector<std::string>{
           "# TYPE gen_ai_client_token_usage histogram",
           "gen_ai_client_token_usage_sum{" + who + ",gen_ai_token_type=\"input\"} 100",
           "gen_ai_client_token_usage_bucket{" + who + ",gen_ai_token_type=\"output\",le=\"16\"} 0",
           "gen_ai_client_token_usage_bucket{" + who + ",gen_ai_token_type=\"output\",le=\"64\"} 1",
           "gen_ai_client_operation_duration_seconds_count{" + who + "} 1",
           "gen_ai_client_operation_duration_seconds_sum{" + who + ",error_type=\"timeout\"} 1.5",
           "gen_ai_client_operation_time_to_first_chunk_seconds_count{" + who + "} 2",
           "gen_ai_client_operation_time_per_output_chunk_seconds_sum{" + who + "} 0.05",
           "gen_ai_client_operation_time_per_output_chunk_seconds_bucket{" + who +
               ",le=\"+Inf\"} 1",
       })
    EXPECT_THAT(page, HasSubstr("\n" + line + "\n"));
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
