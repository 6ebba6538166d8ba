// The remote provider from a canonical request to a canonical answer, over a scripted upstream.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "router/providers.h"
#include "router/recorded.h"
#include "support/environment.h"
#include "support/mock_provider.h"

namespace hearth::router {
namespace {

using hearth::test::Variable;
using testing::cut_at;
using testing::error_answer;
using ::testing::HasSubstr;
using testing::MockProvider;
using ::testing::Not;
using testing::Script;
using testing::size_of;
using testing::Step;

class OpenAiProviderTest : public ::testing::Test {
 protected:
  OpenAiProviderTest() {
    target.name = "remote";
    target.kind = TargetKind::api;
    target.provider = "acme";
    target.model = "acme-1";
    target.base_url = upstream.url() + "/v1";
    target.key_env = "HEARTH_TEST_KEY";
    request.messages = {text_message(Role::user, "Hi")};
  }

  // Runs until nothing is left to wait for.
  Answer complete() {
    std::optional<Answer> got;
    deltas.clear();
    Task<> completing = keep(got);
    auto forget = [](std::exception_ptr) {};
    net::co_spawn(io, std::move(completing), net::bind_cancellation_slot(withdraw.slot(), forget));
    io.restart();
    io.run();
    if (!got) return Error{Errc::cancelled, "the task was withdrawn"};
    return std::move(*got);
  }
  Task<> keep(std::optional<Answer>& got) {
    DeltaSink sink = [this](const StreamDelta& delta) {
      deltas.push_back(delta);
      if (on_delta) on_delta();
    };
    RouteRequest route{{}, request};
    attempt = {};
    got = co_await provider->complete(target, std::move(route), std::move(sink), attempt);
  }

  Failure refusal(Script script) {
    upstream.add(std::move(script));
    auto completion = complete();
    EXPECT_FALSE(completion);
    return completion ? Failure(Error{}) : completion.error();
  }

  Variable key{"HEARTH_TEST_KEY", "sk-secret"};
  MockProvider upstream;
  Target target;
  CompletionRequest request;
  net::io_context io{1};
  net::cancellation_signal withdraw;
  std::unique_ptr<Provider> provider =
      make_remote_provider(io.get_executor(), [](const Egress&) {});
  std::vector<StreamDelta> deltas;
  std::function<void()> on_delta;
  Attempt attempt;
};

// What the ledger needs to know of an attempt, however it ended.
TEST_F(OpenAiProviderTest, AnAttemptTellsHowFarItCame) {
  upstream.add(recorded_answer());
  ASSERT_TRUE(complete());
  EXPECT_TRUE(attempt.is_sent);
  EXPECT_TRUE(attempt.has_spoken);
  EXPECT_FALSE(attempt.is_refused);
  ASSERT_TRUE(attempt.usage);
  EXPECT_EQ(attempt.usage->n_prompt, 12u);
  upstream.add(error_answer(429, "Slow down", "requests", "rate_limit_exceeded",
                            {{"x-ratelimit-remaining-requests", "0"},
                             {"x-ratelimit-limit-requests", "60"},
                             {"x-ratelimit-reset-requests", "1m0s"}}));
  ASSERT_FALSE(complete());
  EXPECT_TRUE(attempt.is_refused);
  EXPECT_FALSE(attempt.has_spoken);
  EXPECT_EQ(attempt.room.requests.n_left, 0u);
  EXPECT_EQ(attempt.room.requests.full_in, std::chrono::milliseconds(60'000));
  upstream.add(cut_at(recorded_answer(), size_of(recorded_answer()) / 2, testing::Reset{}));
  ASSERT_FALSE(complete());
  EXPECT_TRUE(attempt.is_sent);
  EXPECT_GT(attempt.n_answer_bytes, 0u);
  EXPECT_FALSE(attempt.usage);
  target.base_url = "http://127.0.0.1:1/v1";  // nobody listens there
  ASSERT_FALSE(complete());
  EXPECT_FALSE(attempt.is_sent);
}

TEST_F(OpenAiProviderTest, StreamsAnAnswer) {
  upstream.add(recorded_answer());
  auto completion = complete();
  ASSERT_TRUE(completion) << completion.error().message;
  EXPECT_EQ(text_of(completion->message), "Hello, wörld");
  EXPECT_EQ(completion->finish_reason, FinishReason::tool_calls);
  EXPECT_EQ(completion->message.model, "acme-1");
  EXPECT_EQ(completion->usage.n_prompt, 12u);
  EXPECT_EQ(completion->usage.n_cached, 8u);
  EXPECT_EQ(completion->usage.n_completion, 9u);
  EXPECT_GE(completion->timings.prefill_ms, 0);
  EXPECT_GE(completion->timings.decode_ms, 0);
  std::string text;
  for (const StreamDelta& delta : deltas)
    if (delta.kind == StreamDelta::Kind::text) text += delta.text;
  EXPECT_EQ(text, "Hello, wörld");
}

TEST_F(OpenAiProviderTest, SendsTheKeyInOneHeaderAndNowhereElse) {
  upstream.add(recorded_answer());
  ASSERT_TRUE(complete());
  ASSERT_EQ(upstream.requests().size(), 1u);
  testing::SeenRequest seen = upstream.requests()[0];
  EXPECT_EQ(seen.line(), "POST /v1/chat/completions HTTP/1.1");
  EXPECT_EQ(seen.header("authorization"), "Bearer sk-secret");
  EXPECT_EQ(seen.header("content-type"), "application/json");
  EXPECT_EQ(seen.header("accept"), "text/event-stream");
  EXPECT_EQ(seen.body,
            R"({"model":"acme-1","messages":[{"role":"user","content":"Hi"}],"stream":true,)"
            R"("stream_options":{"include_usage":true}})");
  EXPECT_EQ(seen.head.find("sk-secret"), seen.head.rfind("sk-secret"));
}

TEST_F(OpenAiProviderTest, WithoutAKeySendsNoAuthorization) {
  target.key_env.clear();
  upstream.add(recorded_answer());
  ASSERT_TRUE(complete());
  EXPECT_EQ(upstream.requests()[0].header("authorization"), std::nullopt);
}

TEST_F(OpenAiProviderTest, ABarePromptIsNotSent) {
  request.prompt = "once upon";
  auto completion = complete();
  ASSERT_FALSE(completion);
  EXPECT_EQ(completion.error().code, Errc::unsupported);
  EXPECT_EQ(upstream.n_connections(), 0u);
}

TEST_F(OpenAiProviderTest, AnyPiecesOfTheStreamGiveTheSameAnswer) {
  for (size_t n_bytes : {1, 2, 3, 7, 61}) {
    upstream.add(testing::in_pieces(recorded_answer(), n_bytes));
    auto completion = complete();
    ASSERT_TRUE(completion) << completion.error().message;
    EXPECT_EQ(text_of(completion->message), "Hello, wörld");
  }
}

TEST_F(OpenAiProviderTest, LineEndsCommentsAndMarksDoNotMatter) {
  std::string plain = recorded_stream();
  for (std::string_view end : {"\r\n", "\r"}) {
    std::string bytes = "\xef\xbb\xbf: connected\n\n";
    for (char c : plain) c == '\n' ? bytes += end : bytes += c;
    upstream.add(testing::raw_stream(bytes));
    auto completion = complete();
    ASSERT_TRUE(completion) << completion.error().message;
    EXPECT_EQ(text_of(completion->message), "Hello, wörld");
  }
}

// The rule behind every cut: an answer is whole or an error, and nothing of a tool call is passed
// off as complete.
TEST_F(OpenAiProviderTest, ACutAtAnyByteIsNeverACompleteAnswer) {
  Script whole = recorded_answer();
  const size_t last_word = size_of(whole) - std::string_view("\n\n\r\n0\r\n\r\n").size();
  for (Step ending : {Step(testing::CloseClean{}), Step(testing::Reset{})})
    for (size_t n_bytes = 0; n_bytes < size_of(whole); ++n_bytes) {
      upstream.add(cut_at(whole, n_bytes, ending));
      auto completion = complete();
      if (n_bytes <= last_word) {
        ASSERT_FALSE(completion) << "cut after " << n_bytes << " of " << size_of(whole);
        ASSERT_EQ(completion.error().code, Errc::upstream) << completion.error().message;
      } else if (completion) {  // [DONE] was heard
        ASSERT_EQ(completion->usage.n_completion, 9u);
      }
    }
}

TEST_F(OpenAiProviderTest, AStreamThatEndsInOrderButEarlyIsAnError) {
  std::vector<std::string> events = recorded_events();
  for (size_t n_events = 0; n_events + 3 < events.size(); ++n_events) {
    Failure error =
        refusal(testing::sse({events.begin(), events.begin() + static_cast<long>(n_events)}));
    EXPECT_EQ(error.code, Errc::upstream);
    EXPECT_THAT(error.message, HasSubstr("before the answer was complete"));
  }
}

TEST_F(OpenAiProviderTest, AfterTheLastWordTheConnectionMayHang) {
  Script whole = recorded_answer();
  upstream.add(cut_at(whole, size_of(whole) - 5, testing::Stall{}));
  auto completion = complete();
  ASSERT_TRUE(completion) << completion.error().message;
  EXPECT_EQ(text_of(completion->message), "Hello, wörld");
}

TEST_F(OpenAiProviderTest, WithdrawingStopsTheUpstream) {
  Script script = recorded_answer();
  script.steps.insert(script.steps.begin() + 3, testing::Stall{});
  upstream.add(script);
  on_delta = [this] { net::post(io, [this] { withdraw.emit(net::cancellation_type::terminal); }); };
  auto completion = complete();
  ASSERT_FALSE(completion);
  EXPECT_EQ(completion.error().code, Errc::cancelled);
  EXPECT_TRUE(upstream.wait_for_client_to_leave());
}

TEST_F(OpenAiProviderTest, RefusalsKeepTheProvidersWords) {
  struct Case {
    Script script;
    Errc code;
    std::string_view words;
  };
  const Case cases[] = {
      {error_answer(401, "Incorrect API key", "invalid_request_error", "invalid_api_key"),
       Errc::denied, "HEARTH_TEST_KEY"},
      {error_answer(404, "The model does not exist", "invalid_request_error", "model_not_found"),
       Errc::not_found, "The model does not exist"},
      {error_answer(429, "Rate limit reached", "requests", "rate_limit_exceeded",
                    {{"Retry-After", "7"}}),
       Errc::busy, "(retry after 7 s)"},
      {error_answer(400, "maximum context length is 8192 tokens, you sent 9000",
                    "invalid_request_error", "context_length_exceeded"),
       Errc::context_exceeded, "8192"},
      {error_answer(500, "The server had an error", "server_error", ""), Errc::upstream,
       "The server had an error"},
      {error_answer(503, "Overloaded", "server_error", ""), Errc::busy, "Overloaded"},
      {testing::answer(502, "<html>Bad Gateway</html>", {{"content-type", "text/html"}}),
       Errc::upstream, "Bad Gateway"},
      {testing::answer(500, ""), Errc::upstream, "acme answered 500"},
      {testing::raw_stream("data: {not json}\n\n"), Errc::upstream, "not JSON"},
      {testing::sse({R"({"error":{"message":"boom"}})"}), Errc::upstream, "boom"},
  };
  for (const Case& each : cases) {
    Failure error = refusal(each.script);
    EXPECT_EQ(error.code, each.code) << error.message;
    EXPECT_EQ(error.speaker, "acme");
    EXPECT_THAT(error.message, HasSubstr(each.words));
  }
}

TEST_F(OpenAiProviderTest, WhoSpeaksAndWhatHelpsAreKnown) {
  Failure error = refusal(
      error_answer(429, "Slow down", "requests", "rate_limit_exceeded", {{"Retry-After", "7"}}));
  EXPECT_EQ(error.http_status, 429);
  EXPECT_EQ(error.word, "rate_limit_exceeded");
  EXPECT_EQ(error.remedy, Remedy::retry_after);
  EXPECT_EQ(error.retry_after, std::chrono::seconds(7));
  error = refusal(error_answer(429, "You exceeded your current quota", "", "insufficient_quota"));
  EXPECT_EQ(error.remedy, Remedy::stop_account) << "the same status, another reaction";

  request.sampling.top_k = 40;
  auto answer = complete();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::unsupported);
  EXPECT_TRUE(answer.error().is_ours());
  EXPECT_THAT(answer.error().message, HasSubstr("top_k"));
  request.sampling = {};
  target.key_env = "HEARTH_TEST_NO_SUCH_VARIABLE";
  answer = complete();
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().is_ours()) << "a key that is not there is not the provider's failure";
  EXPECT_EQ(answer.error().word, "no_api_key");
  EXPECT_THAT(upstream.requests(), ::testing::SizeIs(2));
}

// A provider that ignores max_tokens does not fill the daemon.
TEST_F(OpenAiProviderTest, AnAnswerWithoutEndIsCutOff) {
  request.max_tokens = 10;
  Script script = testing::sse({});
  script.steps.resize(1);
  const std::string event =
      R"(data: {"choices":[{"delta":{"content":")" + std::string(10'000, 'x') + "\"}}]}\n\n";
  for (int i = 0; i < 20; ++i) script.steps.push_back(testing::Send{testing::chunk(event)});
  script.steps.push_back(testing::Stall{});
  Failure error = refusal(script);
  EXPECT_EQ(error.code, Errc::upstream);
  EXPECT_THAT(error.message, HasSubstr("longer than"));
  EXPECT_TRUE(upstream.wait_for_client_to_leave());
}

TEST_F(OpenAiProviderTest, AKeyThatTheProviderRepeatsIsNotPassedOn) {
  for (Script script : {error_answer(401, "Incorrect API key: sk-secret", "", ""),
                        testing::answer(500, "sk-secret"),
                        testing::sse({R"({"error":{"message":"key sk-secret"}})"}),
                        testing::raw_stream("data: sk-secret\n\n"),
                        testing::answer(302, "", {{"location", "http://x/?key=sk-secret"}})}) {
    Failure error = refusal(std::move(script));
    EXPECT_THAT(error.message, Not(HasSubstr("sk-secret")));
    EXPECT_THAT(error.message, HasSubstr("[key]"));
  }
}

TEST_F(OpenAiProviderTest, RedirectsAreNotFollowed) {
  MockProvider elsewhere;
  Failure error = refusal(testing::answer(307, "", {{"location", elsewhere.url() + "/v2"}}));
  EXPECT_EQ(error.code, Errc::invalid);
  EXPECT_THAT(error.message, HasSubstr(elsewhere.url() + "/v2"));
  EXPECT_EQ(elsewhere.n_connections(), 0u);
}

TEST_F(OpenAiProviderTest, WhatIsNoStreamSaysWhatItIs) {
  Failure page = refusal(testing::answer(200, "<html>Welcome to the login page</html>",
                                         {{"content-type", "text/html"}}));
  EXPECT_EQ(page.code, Errc::upstream);
  EXPECT_THAT(page.message, HasSubstr("text/html"));
  EXPECT_THAT(page.message, HasSubstr("login page"));
  Failure object = refusal(testing::answer(200, R"({"error":{"message":"no quota"}})"));
  EXPECT_EQ(object.code, Errc::upstream);
  EXPECT_THAT(object.message, HasSubstr("no quota"));
}

TEST_F(OpenAiProviderTest, AnOddContentTypeIsForgiven) {
  upstream.add(testing::raw_stream(recorded_stream(), "text/plain"));
  EXPECT_TRUE(complete());
}

TEST_F(OpenAiProviderTest, ALineWithoutEndIsCutOff) {
  Script script = testing::sse({});
  script.steps.resize(1);
  for (int i = 0; i < 17; ++i)
    script.steps.push_back(testing::Send{testing::chunk(std::string(1 << 20, 'x'))});
  Failure error = refusal(script);
  EXPECT_EQ(error.code, Errc::upstream);
  EXPECT_THAT(error.message, HasSubstr("longer than"));
}

TEST_F(OpenAiProviderTest, ARefusalWithoutEndIsCutOff) {
  Script script;
  script.steps.push_back(testing::Send{testing::response_head(500, {})});
  for (int i = 0; i < 20; ++i) script.steps.push_back(testing::Send{std::string(1 << 16, 'x')});
  script.steps.push_back(testing::Stall{});
  Failure error = refusal(script);
  EXPECT_EQ(error.code, Errc::upstream);
  EXPECT_LT(error.message.size(), 1000u);
  EXPECT_TRUE(upstream.wait_for_client_to_leave());
}

}  // namespace
}  // namespace hearth::router
