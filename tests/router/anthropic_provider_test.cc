// The remote provider over Anthropic's wire, against a scripted upstream.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/session/loop.h"
#include "router/anthropic_recorded.h"
#include "router/providers.h"
#include "support/environment.h"
#include "support/json.h"
#include "support/mock_provider.h"

namespace hearth::router {
namespace {

using hearth::test::Variable;
using ::testing::HasSubstr;
using testing::MockProvider;
using testing::Script;

class AnthropicProviderTest : public ::testing::Test {
 protected:
  AnthropicProviderTest() {
    target.name = "claude";
    target.kind = TargetKind::api;
    target.provider = "anthropic";
    target.model = "claude-sonnet-5";
    target.base_url = upstream.url() + "/v1";
    target.key_env = "HEARTH_TEST_KEY";
    request.facts.id = "r1";
    request.body.messages = {text_message(Role::user, "Hi")};
  }

  Answer complete() {
    Attempt attempt;
    return loop.run(provider->complete(target, request, [](const StreamDelta&) {}, attempt));
  }
  Failure refusal(Script script) {
    upstream.add(std::move(script));
    Answer answer = complete();
    EXPECT_FALSE(answer);
    return answer ? Failure(Error{}) : answer.error();
  }

  Variable key{"HEARTH_TEST_KEY", "sk-ant-secret"};
  MockProvider upstream;
  Target target;
  RouteRequest request;
  hearth::test::Loop loop;
  std::unique_ptr<Provider> provider = make_remote_provider(loop.executor(), [](const Egress&) {});
};

Script error_of(int status, std::string_view type, std::string_view message,
                testing::HeaderLines headers = {}) {
  json::Object error{{"type", type}, {"message", message}};
  headers.emplace_back("content-type", "application/json");
  return testing::answer(
      status, boost::json::serialize(json::Object{{"type", "error"}, {"error", std::move(error)}}),
      std::move(headers));
}

TEST_F(AnthropicProviderTest, SpeaksTheWireItsRowNames) {
  upstream.add(anthropic_answer());
  Answer answer = complete();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(text_of(answer->message), "Hello, wörld");
  EXPECT_EQ(answer->message.model, "claude-sonnet-5");
  EXPECT_EQ(answer->usage.n_prompt, 1325u);
  const testing::SeenRequest seen = upstream.requests().at(0);
  EXPECT_EQ(seen.line(), "POST /v1/messages HTTP/1.1");
  EXPECT_EQ(seen.header("x-api-key"), "sk-ant-secret");
  EXPECT_EQ(seen.header("anthropic-version"), "2023-06-01");
  EXPECT_EQ(seen.header("authorization"), std::nullopt);
  EXPECT_THAT(seen.body, HasSubstr(R"("messages":[{"role":"user")"));
}

// A tool's turn: what came back goes out again, thoughts and signature included.
TEST_F(AnthropicProviderTest, AnAnswerReturnsAsItCame) {
  upstream.add(anthropic_answer());
  Answer answer = complete();
  ASSERT_TRUE(answer);
  Message result;
  result.role = Role::tool;
  result.blocks.emplace_back().content = ToolResult{"toolu_1", "done", false};
  request.body.messages.push_back(answer->message);
  request.body.messages.push_back(result);
  upstream.add(anthropic_answer());
  ASSERT_TRUE(complete());
  EXPECT_THAT(
      upstream.requests().at(1).body,
      HasSubstr(R"({"role":"assistant","content":[)"
                R"({"type":"thinking","signature":"EqQBCgw=","thinking":"Let me see."},)"
                R"({"type":"text","text":"Hello, wörld"},)"
                R"({"type":"tool_use","id":"toolu_1","name":"run","input":{"a":1}}]},)"
                R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1",)"));
}

TEST_F(AnthropicProviderTest, ACutAtAnyByteIsNeverACompleteAnswer) {
  const Script whole = anthropic_answer();
  const size_t last_word = size_of(whole) - std::string_view("\n\n\r\n0\r\n\r\n").size();
  for (size_t n_bytes = 0; n_bytes <= last_word; n_bytes += 7) {
    Failure failure = refusal(cut_at(whole, n_bytes, testing::CloseClean{}));
    ASSERT_EQ(failure.code, Errc::upstream) << n_bytes << ": " << failure.message;
    ASSERT_EQ(failure.speaker, "anthropic");
  }
}

TEST_F(AnthropicProviderTest, RefusalsMeanWhatTheirTypeSays) {
  struct Case {
    Script script;
    Errc code;
    Remedy remedy;
  };
  const Case cases[] = {
      {error_of(401, "authentication_error", "invalid x-api-key"), Errc::denied,
       Remedy::stop_account},
      {error_of(403, "permission_error", "not for this model"), Errc::denied, Remedy::other_target},
      {error_of(404, "not_found_error", "model: claude-9"), Errc::not_found, Remedy::other_target},
      {error_of(413, "request_too_large", "Request exceeds the maximum size"), Errc::invalid,
       Remedy::shrink_context},
      {error_of(400, "invalid_request_error", "messages: field required"), Errc::invalid,
       Remedy::stop_request},
      {error_of(400, "invalid_request_error", "Your credit balance is too low to access the API"),
       Errc::over_budget, Remedy::stop_account},
      {error_of(429, "rate_limit_error", "This request would exceed", {{"retry-after", "12"}}),
       Errc::busy, Remedy::retry_after},
      {error_of(500, "api_error", "Internal server error"), Errc::upstream, Remedy::retry_same},
      {error_of(529, "overloaded_error", "Overloaded"), Errc::busy, Remedy::retry_after},
  };
  for (const Case& each : cases) {
    Failure failure = refusal(each.script);
    EXPECT_EQ(failure.code, each.code) << failure.message;
    EXPECT_EQ(failure.remedy, each.remedy) << failure.message;
    EXPECT_EQ(failure.speaker, "anthropic");
    EXPECT_EQ(failure.retry_after.has_value(), failure.http_status == 429);
  }
}

TEST_F(AnthropicProviderTest, ATooLongPromptTellsBothNumbers) {
  Failure failure = refusal(
      error_of(400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"));
  EXPECT_EQ(failure.code, Errc::context_exceeded);
  EXPECT_EQ(failure.n_prompt, 208310u);
  EXPECT_EQ(failure.n_context, 200000u);
}

TEST_F(AnthropicProviderTest, WhatTheWireCannotSayIsRefusedBeforeItIsSent) {
  request.body.sampling.seed = 7;
  request.body.response_format.kind = ResponseFormat::Kind::json_object;
  Answer answer = complete();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::unsupported);
  EXPECT_THAT(answer.error().message, HasSubstr("response_format.json_object, seed"));
  EXPECT_EQ(upstream.n_connections(), 0u);
}

}  // namespace
}  // namespace hearth::router
