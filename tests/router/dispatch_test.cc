// Who is asked after whom, and when: on a simulated clock, over the real provider.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <deque>
#include <functional>
#include <map>

#include "router/dispatch.h"
#include "router/providers.h"
#include "router/router.h"
#include "router/wire_scripts.h"
#include "support/mapped_bytes.h"
#include "support/simulated_clock.h"
#include "support/simulated_upstream.h"

namespace hearth::router {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::SimulatedAnswer;
using testing::SimulatedClock;
using ::testing::SizeIs;

struct Log : DecisionLog {
  void decided(const DecisionRecord& record) override { decision = record.decision; }
  void attempted(const DecisionRecord&, const AttemptRecord& attempt) override {
    attempts.push_back(attempt);
  }
  void ended(const DecisionRecord& record, const Answer&) override { stand_in = record.stand_in; }
  Decision decision;
  std::optional<StandIn> stand_in;
  std::vector<AttemptRecord> attempts;
};

// Remembers what was held and settled; refuses targets by name.
struct Purse : Account {
  Means means(const Policy&, const RequestFacts&, const Target&,
              std::optional<Effort>) const override {
    return {};
  }
  Task<Result<Hold>> reserve(Spend spend) override {
    reserved.push_back(spend.party.target);
    if (spend.is_hedge) second_legs.push_back(spend.party.target);
    if (spend.party.target == too_dear) co_return Error{Errc::over_budget, "budget day is spent"};
    Hold hold;
    hold.id = static_cast<int64_t>(reserved.size());
    ++n_open;
    co_return hold;
  }
  PicoUsd settle(const Hold&, const Settlement& settlement) override {
    --n_open;
    settled.push_back(settlement);
    return PicoUsd(1'000);
  }
  void release(const Hold&) override { --n_open; }
  void recall(RequestFacts&) const override {}
  std::string too_dear;
  std::vector<std::string> reserved, second_legs;
  std::vector<Settlement> settled;
  int n_open = 0;
};

class DispatchTest : public ::testing::Test {
 protected:
  DispatchTest() {
    policy->targets = {target("a", 1), target("b", 2)};
    request.facts.id = "r1";
    request.body.messages = {text_message(Role::user, "Hi")};
  }

  static Target target(const std::string& name, double price) {
    Target made;
    made.name = name;
    made.kind = TargetKind::api;
    made.provider = "acme-" + name;
    made.model = "m";
    made.base_url = "http://" + name;
    made.trust = Trust::retained;
    made.price = Price{price, price, price};
    return made;
  }

  static SimulatedAnswer says(std::vector<std::string> texts,
                              milliseconds head_after = milliseconds(10)) {
    ScriptedAnswer script;
    script.texts = std::move(texts);
    script.usage = Usage{.n_prompt = 10, .n_completion = 5};
    SimulatedAnswer answer;
    answer.head_after = head_after;
    answer.headers = {{"content-type", "text/event-stream"}};
    for (const std::string& event : events_of("chat", script)) answer.parts.push_back({{}, event});
    return answer;
  }
  static SimulatedAnswer refuses(int status, std::string_view code = "",
                                 std::vector<std::pair<std::string, std::string>> headers = {}) {
    SimulatedAnswer answer;
    answer.head_after = milliseconds(10);
    answer.status = status;
    answer.headers = std::move(headers);
    answer.headers.emplace_back("content-type", "application/json");
    answer.parts = {{{}, fmt::format(R"({{"error":{{"message":"no","code":"{}"}}}})", code)}};
    return answer;
  }
  static SimulatedAnswer breaks_after(std::vector<std::string> events) {
    SimulatedAnswer answer = says({});
    answer.parts.clear();
    for (std::string& event : events) answer.parts.push_back({{}, std::move(event)});
    answer.end = SimulatedAnswer::End::cut;
    return answer;
  }

  // Asks, and waits for the end. What was asked of whom is in `asked`, with the time since then.
  Answer ask() {
    asked.clear();
    log.attempts.clear();
    shown.clear();
    named.clear();
    began = clock.now();
    std::optional<Answer> got;
    Task<> asking = keep(got);
    net::co_spawn(io, std::move(asking), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
    clock.run();
    EXPECT_EQ(purse.n_open, 0) << "every hold is settled or released";
    return got ? std::move(*got) : Answer(Error{Errc::internal, "it hangs"});
  }
  Task<> keep(std::optional<Answer>& got) {
    bool is_said = false;
    DeltaSink sink = [this, &is_said](const StreamDelta& delta) {
      shown += delta.text;
      if (on_delta) on_delta(delta);
      is_said = is_said || delta.kind == StreamDelta::Kind::text;
    };
    auto on_decision = [this, &is_said](const Decision& decision) {
      EXPECT_FALSE(is_said);
      named.push_back(decision.target);
      last_reason = decision.reason;
    };
    RouteRequest copy = request;
    copy.waits_for_all = waits_for_all;
    if (waits_for_all) sink = [](const StreamDelta&) {};  // nothing is shown on the way
    Task<Answer> answering = router.complete(std::move(copy), std::move(sink), on_decision);
    got = co_await std::move(answering);
  }

  SimulatedAnswer serve(const OutboundRequest& outbound) {
    const std::string name = outbound.url.substr(7, 1);
    last_asked = outbound;
    if (on_ask) on_ask();
    asked.emplace_back(name, std::chrono::duration_cast<milliseconds>(clock.now() - began).count());
    auto& scripts = upstreams[name];
    if (scripts.empty()) return refuses(500, "none_left");
    SimulatedAnswer answer = std::move(scripts.front());
    scripts.pop_front();
    return answer;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, when] : asked) all.push_back(name);
    return all;
  }

  net::io_context io{1};
  SimulatedClock clock{io};
  std::map<std::string, std::deque<SimulatedAnswer>> upstreams;
  std::vector<std::pair<std::string, long>> asked;  // who, ms
  Clock::Time began{};
  OutboundRequest last_asked;
  std::function<void()> on_ask;
  std::function<void(const StreamDelta&)> on_delta;
  bool waits_for_all = false;  // the client sees nothing before the end
  std::string shown;
  std::vector<std::string> named;  // targets whose answer was said to be coming
  std::string last_reason;
  std::shared_ptr<Policy> policy = std::make_shared<Policy>();
  std::unique_ptr<Provider> remote =
      make_remote_provider(std::make_unique<testing::SimulatedTransport>(
                               clock, [this](const OutboundRequest& each) { return serve(each); }),
                           clock);
  Log log;
  Purse purse;
  Router router{Router::Services{.provider = [this](TargetKind) -> Provider& { return *remote; },
                                 .policy = [this] { return policy; },
                                 .log = log,
                                 .account = &purse,
                                 .clock = clock,
                                 .random = [] { return 0.5; }}};
  RouteRequest request;
};

TEST_F(DispatchTest, WhoRefusesIsFollowedByTheNextAtOnce) {
  for (int status : {429, 503, 529, 500, 401, 402, 404}) {
    upstreams["a"] = {refuses(status)};
    upstreams["b"] = {says({"Hello"})};
    Answer answer = ask();
    ASSERT_TRUE(answer) << status << ": " << answer.error().message;
    EXPECT_EQ(shown, "Hello");
    ASSERT_THAT(names(), ElementsAre("a", "b")) << status;
    EXPECT_EQ(asked[1].second, asked[0].second + 10) << "no time passes in between";
    clock.jump(clock.now() + std::chrono::hours(1));
  }
}

TEST_F(DispatchTest, WhoStandsInIsNamedBeforeItSpeaks) {
  upstreams["a"] = {says({"Hello"})};
  ASSERT_TRUE(ask());
  EXPECT_THAT(named, ElementsAre("a"));
  EXPECT_FALSE(log.stand_in);
  upstreams["a"] = {refuses(500, "server_error")};
  upstreams["b"] = {says({"Hello"})};
  ASSERT_TRUE(ask());
  EXPECT_THAT(named, ElementsAre("a", "b"));
  EXPECT_EQ(last_reason, "b answers: a gave no answer (upstream, server_error)");
  ASSERT_TRUE(log.stand_in);
  EXPECT_EQ(log.stand_in->target, "b");
  EXPECT_EQ(log.decision.target, "a") << "what was decided stays as it was";
}

TEST_F(DispatchTest, WhoseFailureIsToldIsNamedLast) {
  upstreams["a"] = {refuses(404, "model_not_found")};
  upstreams["b"] = {refuses(404, "model_not_found")};
  ASSERT_FALSE(ask());
  EXPECT_THAT(named, ElementsAre("a", "b", "a"));
  EXPECT_FALSE(log.stand_in);
}

TEST_F(DispatchTest, AWrongRequestIsAskedOnce) {
  upstreams["a"] = {refuses(400)};
  EXPECT_FALSE(ask());
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(DispatchTest, AfterTheFirstWordNobodyElseIsAsked) {
  upstreams["a"] = {breaks_after({"data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n"})};
  Answer answer = ask();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::upstream);
  EXPECT_EQ(shown, "Hel");
  EXPECT_THAT(names(), ElementsAre("a"));
  ASSERT_THAT(purse.settled, SizeIs(1));
  EXPECT_FALSE(purse.settled[0].reported) << "nobody said what it costs";
  EXPECT_GT(purse.settled[0].estimate.n_prompt, 0u);
}

// An answer streams for minutes, and nobody else will be asked.
TEST_F(DispatchTest, WhatWasAskedIsLetGoOfAtTheFirstWord) {
  request.body.messages = {text_message(Role::user, std::string(testing::kMappedAlone, 'a'))};
  request.facts.session = "s";
  size_t when_asked = 0, when_said = 0;
  on_ask = [&] { when_asked = testing::mapped_bytes(); };
  on_delta = [&](const StreamDelta& delta) {
    if (delta.kind == StreamDelta::Kind::text) when_said = testing::mapped_bytes();
  };
  upstreams["a"] = {says({"Hello"})};
  ASSERT_TRUE(ask());
  const size_t expected = when_asked > 0 ? testing::kMappedAlone : 0;
  EXPECT_GE(when_asked, when_said + expected);
}

TEST_F(DispatchTest, ACallThatHasBegunIsNotBegunElsewhere) {
  upstreams["a"] = {
      breaks_after({"data: "
                    "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\","
                    "\"function\":{\"name\":\"run\"}}]}}]}\n\n"})};
  EXPECT_FALSE(ask());
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(DispatchTest, WhatNobodySawIsBegunAnew) {
  waits_for_all = true;
  for (const char* first : {
           "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n",
           "data: "
           "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{"
           "\"name\":\"run\"}}]}}]}\n\n",
       }) {
    purse.settled.clear();
    upstreams["a"] = {breaks_after({first})};
    upstreams["b"] = {says({"Hello"})};
    Answer answer = ask();
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(text_of(answer->message), "Hello");
    EXPECT_THAT(names(), ElementsAre("a", "b"));
    EXPECT_THAT(purse.settled, SizeIs(2)) << "each attempt is paid for on its own";
  }
}

TEST_F(DispatchTest, ThoughtsAloneMayBeThoughtAgain) {
  upstreams["a"] = {
      breaks_after({"data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n"})};
  upstreams["b"] = {says({"Hello"})};
  EXPECT_TRUE(ask());
  EXPECT_THAT(names(), ElementsAre("a", "b"));
  EXPECT_THAT(purse.settled, SizeIs(2)) << "each attempt is paid for on its own";
}

TEST_F(DispatchTest, AShortWaitIsKeptWhereNobodyElseIsLeft) {
  request.facts.model = "a";
  upstreams["a"] = {refuses(429, "rate_limit_exceeded", {{"retry-after", "2"}}), says({"Hello"})};
  EXPECT_TRUE(ask());
  ASSERT_THAT(asked, SizeIs(2));
  EXPECT_EQ(asked[1].second, 2010);
}

TEST_F(DispatchTest, ALongWaitIsToldAndKept) {
  request.facts.model = "a";
  upstreams["a"] = {refuses(429, "rate_limit_exceeded", {{"retry-after", "8"}}), says({"Hello"})};
  Answer answer = ask();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().retry_after, seconds(8));
  EXPECT_THAT(names(), ElementsAre("a"));
  clock.jump(clock.now() + seconds(1));
  answer = ask();
  ASSERT_FALSE(answer);
  EXPECT_THAT(names(), IsEmpty()) << "it is not asked before its time";
  EXPECT_EQ(answer.error().word, "rate_limit_exceeded") << "in the provider's own words";
  EXPECT_EQ(answer.error().retry_after, seconds(7));
  clock.jump(clock.now() + seconds(8));
  EXPECT_TRUE(ask());
}

// Who asks again in vain is told what is wrong, not that there is too much load.
TEST_F(DispatchTest, WhatStoppedATargetIsToldUntilItMayBeAskedAgain) {
  request.facts.model = "a";
  struct {
    int status;
    std::string_view word;
    Errc code;
  } constexpr kStops[] = {{429, "insufficient_quota", Errc::over_budget},
                          {401, "invalid_api_key", Errc::denied},
                          {429, "rate_limit_exceeded", Errc::busy}};
  for (const auto& stop : kStops) {
    upstreams["a"] = {refuses(stop.status, stop.word, {{"retry-after", "600"}})};
    Answer first = ask();
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().code, stop.code) << stop.word;
    clock.jump(clock.now() + seconds(10));
    Answer second = ask();
    ASSERT_FALSE(second);
    EXPECT_THAT(names(), IsEmpty());
    EXPECT_EQ(second.error().code, stop.code) << stop.word;
    EXPECT_EQ(second.error().word, stop.word);
    EXPECT_EQ(second.error().remedy, first.error().remedy);
    EXPECT_EQ(second.error().http_status, stop.status);
    EXPECT_EQ(second.error().speaker, "acme-a");
    EXPECT_EQ(second.error().retry_after, seconds(590)) << stop.word;
    EXPECT_THAT(second.error().message, HasSubstr("it is asked again in 590 s"));
    EXPECT_THAT(second.error().message, Not(HasSubstr("b:"))) << "it was not asked for";
    clock.jump(clock.now() + std::chrono::hours(1));
  }
  // Where all that were meant are stopped, the first that is back.
  request.facts.model = "auto";
  upstreams["a"] = {refuses(401, "invalid_api_key", {{"retry-after", "600"}})};
  upstreams["b"] = {refuses(429, "rate_limit_exceeded", {{"retry-after", "60"}})};
  EXPECT_FALSE(ask());
  Answer answer = ask();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::busy);
  EXPECT_EQ(answer.error().retry_after, seconds(60));
}

TEST_F(DispatchTest, AStormIsWaitedOutInBoundedAttempts) {
  request.facts.model = "a";
  upstreams["a"] = {refuses(529), refuses(529), says({"Hello"})};
  EXPECT_TRUE(ask());
  EXPECT_THAT(names(), ElementsAre("a", "a", "a"));
  upstreams["a"] = {};
  for (int i = 0; i < 20; ++i) upstreams["a"].push_back(refuses(529));
  EXPECT_FALSE(ask());
  EXPECT_LE(asked.size(), 3u);
}

TEST_F(DispatchTest, WhoFailsInARowIsLeftAloneAndThenTriedByOne) {
  for (int i = 0; i < 3; ++i) {
    upstreams["a"] = {refuses(500)};
    upstreams["b"] = {says({"Hello"})};
    EXPECT_TRUE(ask());
    EXPECT_THAT(names(), ElementsAre("a", "b"));
  }
  upstreams["b"] = {says({"Hello"}), says({"Hello"})};
  EXPECT_TRUE(ask());
  EXPECT_THAT(names(), ElementsAre("b")) << "the breaker is open";
  EXPECT_TRUE(router.standings().at(0).down);
  clock.jump(clock.now() + seconds(2));
  upstreams["a"] = {says({"Hello"})};
  EXPECT_TRUE(ask());
  EXPECT_THAT(names(), ElementsAre("a")) << "it is tried again";
  EXPECT_FALSE(router.standings().at(0).down);
}

TEST_F(DispatchTest, AnEmptyBalanceStopsEveryTargetOfItsAccount) {
  Target sibling = policy->targets[0];
  sibling.name = "sibling";
  sibling.model = "other";
  policy->targets.insert(policy->targets.begin() + 1, sibling);
  upstreams["a"] = {refuses(429, "insufficient_quota")};
  upstreams["b"] = {says({"Hello"})};
  EXPECT_TRUE(ask());
  EXPECT_THAT(names(), ElementsAre("a", "b")) << "the sibling has the same key";
}

TEST_F(DispatchTest, AFullContextGoesToALargerOneAlone) {
  policy->targets[0].n_context = 8'000;
  policy->targets[1].n_context = 8'000;
  upstreams["a"] = {refuses(400, "context_length_exceeded")};
  EXPECT_EQ(ask().error().code, Errc::context_exceeded);
  EXPECT_THAT(names(), ElementsAre("a"));
  policy->targets[1].n_context = 100'000;
  upstreams["a"] = {refuses(400, "context_length_exceeded")};
  upstreams["b"] = {says({"Hello"})};
  EXPECT_TRUE(ask());
}

TEST_F(DispatchTest, RoomThatAnAccountStatesIsKept) {
  upstreams["a"] = {says({"Hello"})};
  upstreams["a"][0].headers.insert(upstreams["a"][0].headers.end(),
                                   {{"x-ratelimit-remaining-requests", "0"},
                                    {"x-ratelimit-limit-requests", "60"},
                                    {"x-ratelimit-reset-requests", "60s"}});
  EXPECT_TRUE(ask());
  EXPECT_EQ(router.standings().at(0).n_requests_left, 0u);
  upstreams["b"] = {says({"Hello"})};
  EXPECT_TRUE(ask());
  EXPECT_THAT(names(), ElementsAre("b")) << "there is no room at a for a second";
  clock.jump(clock.now() + seconds(2));
  upstreams["a"] = {says({"Hello"})};
  EXPECT_TRUE(ask());
  EXPECT_THAT(names(), ElementsAre("a")) << "one in a second grows again";
}

TEST_F(DispatchTest, TargetsThatAProviderCountsTogetherShareTheirRoom) {
  struct Case {
    std::string provider, model;
    bool is_shared;
  };
  int n_case = 0;
  for (const Case& each :
       {Case{"acme", "m", true}, Case{"acme", "other", false}, Case{"moonshot", "other", true}}) {
    Target& first = policy->targets[0];
    Target& second = policy->targets[1];
    first.provider = second.provider = each.provider;
    first.base_url = second.base_url =
        fmt::format("http://a{}", n_case++);  // an account of its own
    second.model = each.model;
    second.name = "b";
    request.facts.model = "a";
    upstreams["a"] = {says({"Hello"})};
    upstreams["a"][0].headers.insert(upstreams["a"][0].headers.end(),
                                     {{"x-ratelimit-remaining-requests", "7"},
                                      {"x-ratelimit-limit-requests", "60"},
                                      {"x-ratelimit-reset-requests", "60s"}});
    EXPECT_TRUE(ask());
    EXPECT_EQ(router.standings().at(1).n_requests_left.has_value(), each.is_shared)
        << each.provider << " " << each.model;
    request.facts.model = "b";
    upstreams["a"] = {says({"Hello"})};
    EXPECT_TRUE(ask());
    EXPECT_EQ(router.standings().at(0).n_requests_left, each.is_shared ? 6u : 7u);
  }
}

TEST_F(DispatchTest, ATargetIsGivenTheTimeThatItsPolicySays) {
  policy->targets[0].timeouts = {
      .connect_ms = 1001, .first_byte_ms = 1002, .stall_ms = 1003, .total_ms = 1004};
  upstreams["a"] = {says({"Hello"})};
  EXPECT_TRUE(ask());
  EXPECT_EQ(last_asked.connect_timeout, milliseconds(1001));
  EXPECT_EQ(last_asked.first_byte_timeout, milliseconds(1002));
  EXPECT_EQ(last_asked.stall_timeout, milliseconds(1003));
  EXPECT_EQ(last_asked.total_timeout, milliseconds(1004));
}

TEST_F(DispatchTest, WhatABudgetDoesNotHoldGoesToACheaperOne) {
  purse.too_dear = "a";
  upstreams["b"] = {says({"Hello"})};
  EXPECT_TRUE(ask());
  EXPECT_THAT(names(), ElementsAre("b"));
  EXPECT_THAT(purse.reserved, ElementsAre("a", "b"));
}

// ---- pools ----

class PoolDispatchTest : public DispatchTest {
 protected:
  PoolDispatchTest() {
    Target& team = policy->targets[0];
    team.is_pool = true;
    team.base_url.clear();
    team.endpoints = {"http://1/v1", "http://2/v1", "http://3/v1"};
    for (const char* name : {"1", "2", "3"})
      for (int i = 0; i < 40; ++i) upstreams[name].push_back(says({name}));
  }
  // Of what was asked, the requests alone.
  std::vector<std::string> requests() const {
    std::vector<std::string> all;
    for (const AttemptRecord& attempt : log.attempts) all.push_back(attempt.endpoint.substr(7, 1));
    return all;
  }
};

TEST_F(PoolDispatchTest, AConversationStaysOnOneServerAndMovesWhenItFails) {
  ASSERT_TRUE(ask());
  const std::string home = requests().at(0);
  for (int i = 0; i < 5; ++i) {
    clock.jump(clock.now() + seconds(10));
    ASSERT_TRUE(ask());
    EXPECT_THAT(requests(), ElementsAre(home));
  }
  upstreams[home] = {};
  for (int i = 0; i < 9; ++i) upstreams[home].push_back(refuses(503));
  ASSERT_TRUE(ask());
  ASSERT_THAT(requests(), SizeIs(2));
  EXPECT_EQ(requests()[0], home);
  EXPECT_NE(requests()[1], "b") << "another of the pool, before another target";
  ASSERT_TRUE(ask());
  EXPECT_THAT(requests(), SizeIs(1)) << "each server has its own breaker";
}

TEST_F(PoolDispatchTest, EveryServerIsShown) {
  ASSERT_TRUE(ask());
  const auto rows = router.standings();
  ASSERT_THAT(rows, SizeIs(4));
  uint64_t n_attempts = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(rows[i].target, "a");
    EXPECT_EQ(rows[i].endpoint, policy->targets[0].endpoints[i]);
    n_attempts += rows[i].n_attempts;
  }
  EXPECT_EQ(n_attempts, 1u);
}

// ---- second legs ----

class HedgeTest : public DispatchTest {
 protected:
  HedgeTest() {
    policy->targets[1].price = Price{};
    record.decision.target = "a";
    request.facts.n_prompt_estimate = 5;
    record.decision.hedge = Hedge{500, {"b"}, 5};
  }

  Answer ask_hedged() {
    asked.clear();
    log.attempts.clear();
    shown.clear();
    began = clock.now();
    std::optional<Answer> got;
    Task<> asking = keep_hedged(got);
    net::co_spawn(io, std::move(asking), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
    clock.run();
    EXPECT_EQ(purse.n_open, 0);
    return got ? std::move(*got) : Answer(Error{Errc::internal, "it hangs"});
  }
  Task<> keep_hedged(std::optional<Answer>& got) {
    DeltaSink sink = [this](const StreamDelta& delta) { shown += delta.text; };
    auto on_attempt = [this](const AttemptRecord& attempt) { log.attempts.push_back(attempt); };
    auto on_stand_in = [this](std::optional<StandIn> who) {
      EXPECT_EQ(shown, "") << "it is said before";
      stand_in = std::move(who);
    };
    stand_in.reset();
    record.facts = request.facts;
    Dispatcher::Order order{policy,
                            record,
                            std::make_unique<RouteRequest>(request),
                            std::move(sink),
                            std::move(on_attempt),
                            std::move(on_stand_in)};
    got = co_await dispatcher.carry_out(std::move(order));
  }

  // Makes `a` known for a few very slow first words, and lets one in twenty be hedged.
  void make_history() {
    auto hedge = std::exchange(record.decision.hedge, std::nullopt);
    for (int i = 0; i < 60; ++i) {
      upstreams["a"] = {says({"x"}, milliseconds(i % 8 == 7 ? 9000 : 100))};
      ASSERT_TRUE(ask_hedged());
    }
    record.decision.hedge = hedge;
    purse.settled.clear();
  }

  DecisionRecord record;
  std::optional<StandIn> stand_in;
  Dispatcher dispatcher{Dispatcher::Services{[this](TargetKind) -> Provider& { return *remote; },
                                             &purse, nullptr, clock, [] { return 0.5; }}};
};

TEST_F(HedgeTest, ASlowFirstWordIsOvertakenAndBothArePaidFor) {
  make_history();
  upstreams["a"] = {says({"late"}, milliseconds(20'000))};
  upstreams["b"] = {says({"soon"})};
  Answer answer = ask_hedged();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(shown, "soon");
  ASSERT_TRUE(stand_in);
  EXPECT_EQ(stand_in->target, "b");
  EXPECT_EQ(stand_in->reason, "b answers: a was slow to say its first word");
  ASSERT_THAT(asked, SizeIs(2));
  EXPECT_EQ(asked[1], std::pair(std::string("b"), 500l));
  ASSERT_THAT(log.attempts, SizeIs(2));
  EXPECT_THAT(purse.settled, SizeIs(2));
  EXPECT_EQ(purse.second_legs, std::vector<std::string>{"b"});
  for (const AttemptRecord& attempt : log.attempts)
    if (attempt.target == "a") {
      EXPECT_EQ(attempt.failed_as, Errc::cancelled);
      EXPECT_EQ(attempt.basis, UsageBasis::estimated) << "a cancelled prompt is usually billed";
      EXPECT_GT(attempt.usage.n_prompt, 0u);
    } else {
      EXPECT_TRUE(attempt.is_hedge);
    }
}

TEST_F(HedgeTest, AFirstWordInTimeHasNoSecondLeg) {
  make_history();
  upstreams["a"] = {says({"soon"}, milliseconds(100))};
  ASSERT_TRUE(ask_hedged());
  EXPECT_FALSE(stand_in);
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(HedgeTest, SecondLegsStayFewAndCheap) {
  make_history();
  int n_hedged = 0;
  for (int i = 0; i < 60; ++i) {
    upstreams["a"] = {says({"late"}, milliseconds(i % 3 == 0 ? 20'000 : 100))};
    upstreams["b"] = {says({"soon"})};
    ASSERT_TRUE(ask_hedged());
    n_hedged += asked.size() == 2;
  }
  EXPECT_GT(n_hedged, 0);
  EXPECT_LE(n_hedged, 6) << "5 % of 120";
}

}  // namespace
}  // namespace hearth::router
