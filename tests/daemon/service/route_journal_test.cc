#include "service/route_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hearth {
namespace {

using ::testing::HasSubstr;

TEST(RouteJournal, CountsEveryRequestOnceWhereverItCameFrom) {
  Metrics metrics;
  RouteJournal journal(metrics);
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

}  // namespace
}  // namespace hearth
