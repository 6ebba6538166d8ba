// The served wires over a real server, with a scripted answer behind it: what only the handlers do.
#include "service/wire_handlers.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <stdexcept>
#include <tuple>

#include "daemon/net/test_server.h"

namespace hearth {
namespace {

using ::testing::HasSubstr;
using transport::RawClient;
using transport::RawResponse;

constexpr std::string_view kHi = R"({"messages":[{"role":"user","content":"Hi"}])";

// Answers with a failure, with text and then nothing until it is cancelled, or with text.
class Upstream : public router::Completer {
 public:
  Task<Answer> complete(router::RouteRequest request, DeltaSink sink,
                        std::function<void(const router::Decision&)> on_decision) override {
    if (throws_at_once) throw std::runtime_error("a mistake of ours");
    return answer(std::move(request), std::move(sink), std::move(on_decision));
  }

  std::optional<Failure> failure;
  bool throws = false, throws_at_once = false, answers = false;
  size_t n_deltas = 0;
  std::atomic<bool> was_cancelled = false;
  router::RequestFacts facts;
  int n_asked = 0, n_most_asked = 0;  // at the same time

 private:
  Task<Answer> answer(router::RouteRequest request, DeltaSink sink,
                      std::function<void(const router::Decision&)> on_decision) {
    facts = request.facts;
    router::Decision decision;
    decision.id = "dec-1";
    decision.target = failure ? "" : "there";
    decision.reason = "a test said so";
    on_decision(decision);
    if (throws) throw std::runtime_error("a mistake of ours");
    if (failure) co_return *failure;
    StreamDelta delta;
    delta.text.assign(1 << 20, 'x');
    for (size_t i = 0; i < n_deltas; ++i) sink(delta);
    if (answers) {
      n_most_asked = std::max(n_most_asked, ++n_asked);
      const auto executor = co_await net::this_coro::executor;
      for (int i = 0; i < 3; ++i)  // others find time to ask, too
        co_await net::post(executor, net::use_awaitable);
      --n_asked;
      co_return Completion{};
    }
    struct Cancelled {
      std::atomic<bool>& flag;
      ~Cancelled() { flag = true; }
    } cancelled{was_cancelled};
    net::steady_timer for_ever(co_await net::this_coro::executor,
                               net::steady_timer::time_point::max());
    (void)co_await for_ever.async_wait(as_result);
    co_return Error{Errc::cancelled, "cancelled"};
  }
};

class WireHandlersTest : public ::testing::Test {
 protected:
  WireHandlersTest() {
    server.emplace([this](transport::HttpServer& http) { bind(http); });
  }
  ~WireHandlersTest() override { server.reset(); }

  void bind(transport::HttpServer& http) {
    engine.emplace(io.get_executor(), engine::EngineClient::Options{});
    auto config = std::make_shared<Config>();
    config->models.emplace_back().name = "tiny";
    config->models[0].aliases = {"vendor/model one"};
    catalog.emplace(models::Store(folder.path("models")), std::move(config));
    handlers.emplace(upstream, *catalog, *engine);
    handlers->bind(http);
  }

  std::string post(std::string_view fields, const std::string& path = "/v1/chat/completions") {
    return server->request("POST", path, "X-Hearth-Labels: work, secret\r\n",
                           std::string(kHi).append(fields) + "}");
  }

  net::io_context io;
  transport::TestFolder folder;
  Upstream upstream;
  std::optional<engine::EngineClient> engine;
  std::optional<ModelCatalog> catalog;
  std::optional<WireHandlers> handlers;
  std::optional<transport::TestServer> server;
};

TEST_F(WireHandlersTest, AProvidersFailureNamesItsSpeakerAndItsWait) {
  Failure failure = Error{Errc::busy, "acme answered 429: slow down"};
  failure.speaker = "acme";
  failure.http_status = 429;
  failure.word = "rate_limit_exceeded";
  failure.retry_after = std::chrono::seconds(42);
  upstream.failure = failure;
  for (const char* stream : {"", R"(,"stream":true)"}) {
    RawResponse response = server->exchange(post(stream));
    EXPECT_EQ(response.status, 429);
    EXPECT_EQ(response.headers["x-hearth-error-source"], "provider");
    EXPECT_EQ(response.headers["retry-after"], "42");
    EXPECT_EQ(response.headers["x-hearth-decision-id"], "dec-1");
    EXPECT_THAT(response.body, HasSubstr("rate_limit_exceeded"));
  }
}

TEST_F(WireHandlersTest, HearthsOwnFailureSaysSo) {
  upstream.failure = Failure(Error{Errc::upstream, "the engine ended by signal 11"});
  RawResponse response = server->exchange(post(""));
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.headers["x-hearth-error-source"], "hearth");
  EXPECT_THAT(response.body, HasSubstr("engine_failed"));
  response = server->exchange(post(R"(,"web_search_options":{})"));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.headers["x-hearth-error-source"], "hearth");
}

TEST_F(WireHandlersTest, AnExceptionIsAnAnswerToo) {
  upstream.throws = true;
  for (const char* stream : {"", R"(,"stream":true)"}) {
    RawResponse response = server->exchange(post(stream));
    EXPECT_EQ(response.status, 500);
    EXPECT_THAT(response.body, HasSubstr("internal_error"));
  }
}

// Of one request and of several, which are asked side by side.
TEST_F(WireHandlersTest, AnExceptionBeforeATaskBeganIsAnAnswerToo) {
  upstream.throws_at_once = true;
  for (const char* more : {"", R"(,"stream":true)"}) {
    for (const char* prompt : {R"("a")", R"(["a","b"])"}) {
      RawResponse response =
          server->exchange(post(fmt::format(R"(,"prompt":{}{})", prompt, more), "/v1/completions"));
      EXPECT_EQ(response.status, 500) << prompt << more;
      EXPECT_THAT(response.body, HasSubstr("a mistake of ours"));
    }
  }
}

TEST_F(WireHandlersTest, OfManyPromptsFourAreAskedAtATime) {
  upstream.answers = true;
  std::string prompts = R"(,"prompt":["0")";
  for (int i = 1; i < 10; ++i) prompts += fmt::format(R"(,"{}")", i);
  RawResponse response = server->exchange(post(prompts + "]", "/v1/completions"));
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_THAT(response.body, HasSubstr(R"("index":9)"));
  EXPECT_EQ(upstream.n_most_asked, 4);
  EXPECT_EQ(upstream.n_asked, 0);
}

TEST_F(WireHandlersTest, AWholeAnswerIsBoundedOverAllOfItsChoices) {
  upstream.answers = true;
  const std::string one = R"(,"prompt":"a")", two = R"(,"prompt":["a","b"])";
  for (const auto& [prompts, n_mib, status] :
       {std::tuple(one, 64, 200), std::tuple(one, 65, 400), std::tuple(two, 32, 200),
        std::tuple(two, 33, 400)}) {
    upstream.n_deltas = static_cast<size_t>(n_mib);
    RawResponse response = server->exchange(post(prompts, "/v1/completions"));
    EXPECT_EQ(response.status, status) << prompts << n_mib;
    const bool is_told = response.body.find("more than 64 MiB") != std::string::npos;
    EXPECT_EQ(is_told, status == 400) << response.body;
  }
}

TEST_F(WireHandlersTest, TheRouterIsToldWhereARequestCameIn) {
  upstream.failure = Failure(Error{Errc::denied, "no"});
  (void)server->exchange(post(""));
  EXPECT_EQ(upstream.facts.origin, router::Origin::chat);
  EXPECT_THAT(upstream.facts.labels, ::testing::ElementsAre("work", "secret"));
  (void)server->exchange(post(R"(,"prompt":"x")", "/v1/completions"));
  EXPECT_EQ(upstream.facts.origin, router::Origin::completions);
  EXPECT_EQ(upstream.facts.task, router::TaskClass::completion);
}

TEST_F(WireHandlersTest, AModelIsShownByAnIdWithASlashHoweverItIsWritten) {
  for (const char* id : {"vendor/model%20one", "vendor%2Fmodel%20one", "%76endor%2fmodel%20one"}) {
    RawResponse response =
        server->exchange(server->request("GET", std::string("/v1/models/") + id));
    EXPECT_EQ(response.status, 200) << id;
    EXPECT_THAT(response.body, HasSubstr(R"("id":"vendor/model one")")) << id;
  }
}

TEST_F(WireHandlersTest, AModelThatIsNotThereIsRefusedInTheWiresOwnWords) {
  for (const char* id : {"vendor/other", "model%20one", "", "%", "%2", "vendor/model%20one/"}) {
    RawResponse response =
        server->exchange(server->request("GET", std::string("/v1/models/") + id));
    EXPECT_EQ(response.status, 404) << id;
    EXPECT_THAT(response.body, HasSubstr("model_not_found")) << id;
    EXPECT_EQ(response.headers["x-hearth-error-source"], "hearth");
    EXPECT_THAT(response.headers["x-request-id"], ::testing::StartsWith("req-"));
  }
  RawResponse anthropic = server->exchange(
      server->request("GET", "/v1/models/none", "anthropic-version: 2023-06-01\r\n"));
  EXPECT_EQ(anthropic.status, 404);
  EXPECT_THAT(anthropic.body, HasSubstr(R"("type":"not_found_error")"));
  EXPECT_THAT(anthropic.body, HasSubstr(anthropic.headers["request-id"]));
}

TEST_F(WireHandlersTest, AnAnswerThatIsNotReadEndsItsRequest) {
  upstream.n_deltas = 20;  // MiB
  RawResponse response = server->exchange(post(R"(,"stream":true)"));
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(upstream.was_cancelled);
  EXPECT_THAT(response.body, HasSubstr("reads too slowly"));
  EXPECT_THAT(response.body, ::testing::Not(HasSubstr("[DONE]")));
}

}  // namespace
}  // namespace hearth
