// The router with a real ledger and a scripted upstream: every way in which a paid request ends has
// its row, its cost and its money back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "daemon/session/loop.h"
#include "router/ledger_reader.h"
#include "router/providers.h"
#include "router/recorded.h"
#include "router/router.h"
#include "support/mock_provider.h"
#include "support/temporary_folder.h"

namespace hearth::router {
namespace {

using ::testing::HasSubstr;
using testing::MockProvider;
using ::testing::SizeIs;

struct NoLog : DecisionLog {
  void decided(const DecisionRecord& record) override { last = record; }
  void ended(const DecisionRecord&, const Answer&) override { ++n_ended; }
  DecisionRecord last;
  int n_ended = 0;
};

class PaidRouterTest : public ::testing::Test {
 protected:
  PaidRouterTest() {
    Ledger::Options options;
    options.folder = folder / "ledger";
    auto opened = Ledger::open(loop.executor(), options);
    if (opened) ledger = std::move(*opened);
    Target there;
    there.name = "up";
    there.kind = TargetKind::api;
    there.provider = "acme";
    there.model = "acme-1";
    there.base_url = upstream.url();
    there.trust = Trust::retained;
    there.price = Price{1, 0.5, 4};
    policy.targets = {there};
    request.facts.id = "r1";
    request.body.max_tokens = 100;
    request.body.messages = {text_message(Role::user, "Hi")};
    router.emplace(
        Router::Services{.provider = [this](TargetKind) -> Provider& { return *remote; },
                         .policy = [this] { return std::make_shared<const Policy>(policy); },
                         .log = log,
                         .account = ledger.get()});
  }

  Answer complete() {
    return loop.run(router->complete(request, [](const StreamDelta&) {}, {}));
  }

  std::vector<AttemptRow> rows() {
    EXPECT_TRUE(loop.run(ledger->flush()));
    auto reader = LedgerReader::open(folder / "ledger");
    std::vector<AttemptRow> found;
    EXPECT_TRUE(reader && reader->rows({}, [&](const AttemptRow& row) {
      found.push_back(row);
      return true;
    }));
    return found;
  }

  static Task<> forget(Task<Answer> task) { (void)co_await std::move(task); }

  test::TemporaryFolder folder;
  test::Loop loop;
  MockProvider upstream;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Provider> remote = make_remote_provider(loop.executor(), [](const Egress&) {});
  NoLog log;
  Policy policy;
  RouteRequest request;
  std::optional<Router> router;
};

// Of recorded_answer(): 12 prompt tokens, 8 of them cached, 9 of answer.
constexpr int64_t kRecordedBill = 4 * 1'000'000 + 8 * 500'000 + 9 * 4'000'000;

TEST_F(PaidRouterTest, AnAnswerSaysWhatItCost) {
  upstream.add(recorded_answer());
  auto answer = complete();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->usage.cost_pico, kRecordedBill);
  ASSERT_THAT(rows(), SizeIs(1));
  EXPECT_EQ(rows()[0].cost.pico(), kRecordedBill);
  EXPECT_EQ(rows()[0].decision, log.last.decision.id);
  EXPECT_EQ(rows()[0].model, "acme-1");
  EXPECT_EQ(ledger->held(), PicoUsd());
}

TEST_F(PaidRouterTest, WhatTheProviderBilledIsWhatItCost) {
  auto events = recorded_events();
  events[6] =
      R"({"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":9,"cost":0.0000123}})";
  upstream.add(testing::sse(events));
  auto answer = complete();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->usage.cost_pico, 12'300'000);
}

TEST_F(PaidRouterTest, ABudgetThatIsSpentKeepsEveryByteHere) {
  policy.budgets.push_back({"day", 0.0000001, Per::day, true});
  upstream.add(recorded_answer());
  auto answer = complete();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::over_budget);
  EXPECT_THAT(answer.error().message, HasSubstr("up: budget day is $0.00000010"));
  EXPECT_EQ(upstream.n_connections(), 0u);
  EXPECT_THAT(rows(), SizeIs(0));
  EXPECT_EQ(log.last.states.at(0).means.budget, "day");
}

TEST_F(PaidRouterTest, AsksForNoMoreThanTheBudgetHolds) {
  policy.budgets.push_back({"day", 0.02, Per::day, true});
  request.body.max_tokens = 0;
  upstream.add(recorded_answer());
  ASSERT_TRUE(complete());
  const std::string body = upstream.requests().at(0).body;
  EXPECT_THAT(body, HasSubstr("\"max_tokens\":"));
}

TEST_F(PaidRouterTest, ARefusalOfTheProviderCostsNothing) {
  upstream.add(testing::error_answer(400, "no", "invalid_request_error", ""));
  EXPECT_FALSE(complete());
  ASSERT_THAT(rows(), SizeIs(1));
  EXPECT_EQ(rows()[0].cost, PicoUsd());
  EXPECT_TRUE(rows()[0].failed_as);
}

TEST_F(PaidRouterTest, WithoutACountTheAnswersSizeIsBilled) {
  auto events = recorded_events();
  events.erase(events.begin() + 6);
  upstream.add(testing::sse(events));
  ASSERT_TRUE(complete());
  EXPECT_EQ(rows().at(0).state, AttemptState::estimated);
  EXPECT_GT(rows()[0].cost, PicoUsd());
}

TEST_F(PaidRouterTest, AClientThatLeavesPaysForWhatItHeard) {
  auto script = recorded_answer();
  upstream.add(testing::cut_at(script, testing::size_of(script) / 2, testing::Stall{}));
  net::cancellation_signal withdraw;
  DeltaSink sink = [&](const StreamDelta&) {
    net::post(loop.executor(), [&] { withdraw.emit(net::cancellation_type::terminal); });
  };
  Task<> asking = forget(router->complete(request, std::move(sink), {}));
  net::co_spawn(loop.executor(), std::move(asking),
                net::bind_cancellation_slot(withdraw.slot(), [](std::exception_ptr) {}));
  loop.run_until([this] { return log.n_ended > 0; });
  ASSERT_THAT(rows(), SizeIs(1));
  EXPECT_EQ(rows()[0].state, AttemptState::estimated);
  EXPECT_EQ(rows()[0].failed_as, Errc::cancelled);
  EXPECT_GT(rows()[0].cost, PicoUsd());
  EXPECT_EQ(ledger->held(), PicoUsd());
}

TEST_F(PaidRouterTest, SixtyFourRequestsAtOnceStayWithinABudget) {
  policy.budgets.push_back({"day", 0.01, Per::day, true});
  const int n_requests = 64;
  for (int i = 0; i < n_requests; ++i) upstream.add(recorded_answer());
  int n_done = 0;
  auto ask = [&]() -> Task<> {
    DeltaSink sink = [](const StreamDelta&) {};
    std::function<void(const Decision&)> on_decision;
    RouteRequest own = request;
    auto answer = co_await router->complete(std::move(own), std::move(sink), on_decision);
    EXPECT_TRUE(answer || answer.error().code == Errc::over_budget);
    ++n_done;
  };
  for (int i = 0; i < n_requests; ++i) loop.start(ask());
  loop.run_until([&] { return n_done == n_requests; });
  const auto n_asked = static_cast<int64_t>(upstream.requests().size());
  EXPECT_GT(n_asked, 0);
  EXPECT_EQ(ledger->spent_since(Per::ever).pico(), n_asked * kRecordedBill);
  EXPECT_LE(ledger->spent_since(Per::ever), PicoUsd::from_usd(0.01));
  EXPECT_EQ(ledger->held(), PicoUsd());
}

TEST_F(PaidRouterTest, WhatWasTriedForADecisionIsFoundByIt) {
  Target second = policy.targets[0];
  second.name = "second";
  second.price = Price{2, 1, 8};
  second.efforts = {{Effort::high, {}, {}}};
  policy.targets.push_back(second);
  upstream.add(testing::error_answer(404, "no", "invalid_request_error", "model_not_found"));
  upstream.add(recorded_answer());
  ASSERT_TRUE(complete());
  ASSERT_TRUE(loop.run(ledger->flush()));
  auto reader = LedgerReader::open(folder / "ledger");
  ASSERT_TRUE(reader);
  auto tried = reader->attempts(log.last.decision.id);
  ASSERT_TRUE(tried) << tried.error().message;
  ASSERT_THAT(*tried, SizeIs(2));
  EXPECT_EQ(tried->at(0).party.target, "up");
  EXPECT_TRUE(tried->at(0).failed_as);
  EXPECT_EQ(tried->at(0).word, "model_not_found");
  EXPECT_EQ(tried->at(1).party.target, "second");
  EXPECT_EQ(tried->at(1).effort, Effort::high);
  EXPECT_FALSE(tried->at(1).failed_as);
  EXPECT_FALSE(tried->at(1).is_hedge);
  EXPECT_THAT(reader->attempts("dec-nobody").value(), SizeIs(0));
}

// More thoughts cost more: what is held for each level is what it may be billed.
TEST_F(PaidRouterTest, NoEffortPassesABudget) {
  policy.targets[0].efforts = {{Effort::low, 0.2, {}}, {Effort::max, 0.9, {}}};
  policy.value.success_usd = 10;
  policy.budgets.push_back({"day", 0.06, Per::day, true});
  request.body.max_tokens = 0;
  auto events = recorded_events();
  int n_low = 0, n_max = 0;
  for (int i = 0; i < 40; ++i) {
    // Whoever is asked writes all that it may.
    upstream.add([&] {
      events[6] = R"({"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":1000}})";
      return testing::sse(events);
    }());
    auto answer = complete();
    if (!answer) {
      EXPECT_EQ(answer.error().code, Errc::over_budget);
      break;
    }
    (log.last.decision.effort == Effort::max ? n_max : n_low) += 1;
  }
  EXPECT_GT(n_max, 0) << "while there is money for it";
  EXPECT_GT(n_low, 0) << "then what it is enough for";
  EXPECT_LE(ledger->spent_since(Per::ever), PicoUsd::from_usd(0.06));
  EXPECT_EQ(ledger->totals().n_overshot, 0u);
}

TEST_F(PaidRouterTest, ALoopOfToolCallsIsStopped) {
  for (int i = 0; i < 25; ++i) {
    Message call, result;
    call.role = Role::assistant;
    call.blocks.emplace_back().content = ToolCall{"c", "ls", "{}"};
    result.role = Role::tool;
    result.blocks.emplace_back().content = ToolResult{"c", "a.txt", false};
    request.body.messages.push_back(call);
    request.body.messages.push_back(result);
  }
  auto answer = complete();
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("repeated_calls"));
  EXPECT_EQ(upstream.n_connections(), 0u);
  request.body.messages.push_back(text_message(Role::user, "try something else"));
  upstream.add(recorded_answer());
  EXPECT_TRUE(complete());
}

}  // namespace
}  // namespace hearth::router
