// What OpenAI's wire says, in canonical form: streams and refusals.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "router/providers/openai_chat.h"
#include "router/providers/rejection.h"
#include "router/providers/wire_json.h"

namespace hearth::router::openai {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Heard {
  Result<void, Failure> outcome;
  std::vector<StreamDelta> deltas;
  Answer completion = Error{};
  bool is_done = false;
};

Heard hear(const std::vector<std::string>& events) {
  Heard heard;
  auto reader = chat_reader(
      Target{}, [&](const StreamDelta& delta) { heard.deltas.push_back(delta); }, 1 << 20);
  for (const std::string& event : events)
    if (heard.outcome) heard.outcome = reader->hear("", event);
  heard.is_done = reader->is_done();
  heard.completion = reader->finish("acme");
  return heard;
}

std::string delta(std::string_view fields, std::string_view reason = "null") {
  return fmt::format(R"({{"choices":[{{"index":0,"delta":{{{}}},"finish_reason":{}}}]}})", fields,
                     reason);
}

template <class Content>
const Content& block(const Heard& heard, size_t i) {
  return std::get<Content>(heard.completion->message.blocks.at(i).content);
}

TEST(OpenAiStream, TextAndReasoningBecomeDeltasAndBlocks) {
  for (std::string_view field : {"reasoning_content", "reasoning"}) {
    Heard heard = hear(
        {delta(R"("role":"assistant","content":"")"), delta(fmt::format(R"("{}":"hm")", field)),
         delta(fmt::format(R"("{}":"m","content":null)", field)), delta(R"("content":"He")"),
         delta(R"("content":"llo")"), delta("", "\"stop\""), "[DONE]"});
    ASSERT_TRUE(heard.completion);
    EXPECT_TRUE(heard.is_done);
    ASSERT_EQ(heard.deltas.size(), 4u);
    EXPECT_EQ(heard.deltas[0].kind, StreamDelta::Kind::reasoning);
    EXPECT_EQ(heard.deltas[3].text, "llo");
    EXPECT_EQ(heard.completion->message.role, Role::assistant);
    EXPECT_EQ(block<Reasoning>(heard, 0).text, "hmm");
    EXPECT_EQ(block<Text>(heard, 1).text, "Hello");
  }
}

TEST(OpenAiStream, ReasoningUnderTwoNamesCountsOnce) {
  Heard heard = hear({delta(R"("reasoning_content":"x","reasoning":"x")", "\"stop\"")});
  EXPECT_EQ(block<Reasoning>(heard, 0).text, "x");
}

TEST(OpenAiStream, ARefusalIsTheAnswersText) {
  Heard heard = hear({delta(R"("content":null,"refusal":"I can't")"),
                      delta(R"("refusal":" do that")", "\"stop\"")});
  ASSERT_TRUE(heard.completion);
  EXPECT_EQ(block<Text>(heard, 0).text, "I can't do that");
}

// ---- tool calls ----

std::string call(std::string_view fields) {
  return delta(fmt::format(R"("tool_calls":[{}])", fields));
}

void check_calls(const std::vector<std::string>& fragments, const std::vector<ToolCall>& expected) {
  std::vector<std::string> events;
  for (const std::string& fragment : fragments) events.push_back(call(fragment));
  events.push_back(delta("", "\"tool_calls\""));
  Heard heard = hear(events);
  ASSERT_TRUE(heard.completion) << heard.completion.error().message;
  EXPECT_EQ(heard.completion->finish_reason, FinishReason::tool_calls);
  ASSERT_EQ(heard.completion->message.blocks.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const ToolCall& made = block<ToolCall>(heard, i);
    EXPECT_EQ(made.id, expected[i].id);
    EXPECT_EQ(made.name, expected[i].name);
    EXPECT_EQ(made.arguments, expected[i].arguments);
  }
}

TEST(OpenAiStream, FragmentsOfToolCallsAreJoinedByIndex) {
  check_calls(
      {R"({"index":0,"id":"a","type":"function","function":{"name":"run","arguments":""}})",
       R"({"index":0,"function":{"arguments":"{\"x\""}})",
       R"({"index":1,"id":"b","function":{"name":"ls","arguments":"{"}})",
       R"({"index":0,"function":{"arguments":":1}"}},{"index":1,"function":{"arguments":"}"}})"},
      {{"a", "run", "{\"x\":1}"}, {"b", "ls", "{}"}});
}

TEST(OpenAiStream, IndexesMayBeginAnywhere) {
  check_calls({R"({"index":1,"id":"a","function":{"name":"run","arguments":"{"}})",
               R"({"index":1,"function":{"arguments":"}"}})",
               R"({"index":4000000000000,"id":"b","function":{"name":"ls","arguments":"{}"}})"},
              {{"a", "run", "{}"}, {"b", "ls", "{}"}});
}

TEST(OpenAiStream, CallsWithoutIndexAreToldApartById) {
  check_calls({R"({"id":"a","function":{"name":"run","arguments":"{"}})",
               R"({"function":{"arguments":"}"}})",
               R"({"id":"b","function":{"name":"ls","arguments":"{}"}})"},
              {{"a", "run", "{}"}, {"b", "ls", "{}"}});
}

TEST(OpenAiStream, ANewIdUnderTheSameIndexIsANewCall) {
  check_calls({R"({"index":0,"id":"a","function":{"name":"run","arguments":"{}"}})",
               R"({"index":0,"id":"b","function":{"name":"ls","arguments":"{"}})",
               R"({"index":0,"id":"b","function":{"arguments":"}"}})"},
              {{"a", "run", "{}"}, {"b", "ls", "{}"}});
}

TEST(OpenAiStream, ArgumentsMayComeAsAnObject) {
  check_calls({R"({"index":0,"id":"a","function":{"name":"run","arguments":{"x":[1,2]}}})"},
              {{"a", "run", R"({"x":[1,2]})"}});
}

TEST(OpenAiStream, TheNumberOfCallsIsBounded) {
  std::vector<std::string> events;
  for (int i = 0; i < 300; ++i) events.push_back(call(fmt::format(R"({{"index":{}}})", i)));
  Heard heard = hear(events);
  ASSERT_FALSE(heard.outcome);
  EXPECT_EQ(heard.outcome.error().code, Errc::upstream);
}

// ---- usage and the end ----

Usage usage(std::string_view fields) {
  Heard heard = hear(
      {delta("", "\"stop\""), fmt::format(R"({{"choices":[],"usage":{{{}}}}})", fields), "[DONE]"});
  EXPECT_TRUE(heard.completion);
  return heard.completion ? heard.completion->usage : Usage{};
}

TEST(OpenAiStream, UsageComesFromTheLastChunk) {
  Usage read = usage(
      R"("prompt_tokens":100,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":64},)"
      R"("completion_tokens_details":{"reasoning_tokens":5})");
  EXPECT_EQ(read.n_prompt, 100u);
  EXPECT_EQ(read.n_cached, 64u);
  EXPECT_EQ(read.n_completion, 20u);
  EXPECT_EQ(read.n_reasoning, 5u);
  Heard moonshot =
      hear({R"({"choices":[{"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":7}}]})"});
  EXPECT_EQ(moonshot.completion->usage.n_prompt, 7u);
  Heard twice = hear({R"({"choices":[],"usage":{"prompt_tokens":7}})",
                      R"({"choices":[],"usage":{"prompt_tokens":9}})",
                      R"({"choices":[],"usage":null})", delta("", "\"stop\"")});
  EXPECT_EQ(twice.completion->usage.n_prompt, 9u);
}

TEST(OpenAiStream, AbsurdUsageIsBounded) {
  EXPECT_EQ(usage(R"("prompt_tokens":-5,"completion_tokens":"many")").n_prompt, 0u);
  EXPECT_EQ(usage(R"("prompt_tokens":1e300)").n_prompt, 0u);
  EXPECT_EQ(usage(R"("completion_tokens":18446744073709551615)").n_completion, 0u);
  Usage inclusive = usage(
      R"("prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":99})");
  EXPECT_EQ(inclusive.n_cache_write, 6u);
  EXPECT_EQ(inclusive.n_fresh(), 0u);
  EXPECT_EQ(usage(R"("prompt_tokens":10,"prompt_cache_hit_tokens":4)").n_cached, 4u);
  EXPECT_EQ(usage(R"("prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":99})").n_cached,
            10u)
      << "no more can be cached than was sent";
}

TEST(OpenAiStream, FinishReasonsAreTranslated) {
  auto reason = [](std::string_view said) {
    return hear({delta("", fmt::format("\"{}\"", said))}).completion->finish_reason;
  };
  EXPECT_EQ(reason("stop"), FinishReason::stop);
  EXPECT_EQ(reason("length"), FinishReason::length);
  EXPECT_EQ(reason("model_length"), FinishReason::length);
  EXPECT_EQ(reason("tool_calls"), FinishReason::tool_calls);
  EXPECT_EQ(reason("function_call"), FinishReason::tool_calls);
  EXPECT_EQ(reason("content_filter"), FinishReason::content_filter);
  EXPECT_EQ(reason("something_new"), FinishReason::stop);
}

TEST(OpenAiStream, AnAnswerThatTheProviderCouldNotFinishIsAnError) {
  for (std::string_view said : {"error", "network_error", "insufficient_system_resource"}) {
    Heard heard = hear({delta(R"("content":"half")", fmt::format("\"{}\"", said))});
    ASSERT_FALSE(heard.outcome);
    EXPECT_EQ(heard.outcome.error().code, Errc::upstream);
    EXPECT_FALSE(heard.completion);
  }
}

TEST(OpenAiStream, WithoutAFinishReasonNothingIsComplete) {
  for (std::vector<std::string> events : {std::vector<std::string>{},
                                          {delta(R"("content":"half")")},
                                          {delta(R"("content":"half")"), "[DONE]"},
                                          {delta("", "\"\""), "[DONE]"}}) {
    Heard heard = hear(events);
    ASSERT_FALSE(heard.completion);
    EXPECT_FALSE(heard.is_done);
    EXPECT_EQ(heard.completion.error().code, Errc::upstream);
    EXPECT_THAT(heard.completion.error().message,
                HasSubstr("acme closed the stream before the answer was complete"));
  }
}

TEST(OpenAiStream, TheLastWordMayBeMissingOrSaidTwice) {
  EXPECT_TRUE(hear({delta("", "\"stop\"")}).completion);
  EXPECT_TRUE(hear({delta("", "\"stop\""), "[DONE]", "[DONE]"}).completion);
}

TEST(OpenAiStream, AnErrorInTheStreamEndsItInTheProvidersWords) {
  for (auto [event, code] :
       {std::pair(R"({"error":{"message":"overloaded now","code":503}})", Errc::busy),
        std::pair(R"({"error":"overloaded now"})", Errc::upstream)}) {
    Heard heard = hear({delta(R"("content":"half")"), event});
    ASSERT_FALSE(heard.outcome);
    EXPECT_EQ(heard.outcome.error().code, code);
    EXPECT_THAT(heard.outcome.error().message, HasSubstr("overloaded now"));
  }
}

TEST(OpenAiStream, WhatIsNotJsonIsAnErrorAndWhatIsUnknownIsNot) {
  Heard garbage = hear({"<html>\x01\xff"});
  ASSERT_FALSE(garbage.outcome);
  EXPECT_THAT(garbage.outcome.error().message, HasSubstr("not JSON"));
  EXPECT_TRUE(simdjson::validate_utf8(garbage.outcome.error().message));
  for (const char* odd :
       {"{}", "[]", "1", "null", "\"x\"", R"({"choices":{}})", R"({"choices":[1]})",
        R"({"choices":[{"delta":[]}]})", R"({"choices":[{"delta":{"content":7,"tool_calls":{}}}]})",
        R"({"choices":[{"delta":{"tool_calls":[1,null,[]]}}]})", R"({"usage":[]})",
        R"({"type":"ping"})"}) {
    Heard heard = hear({odd, delta("", "\"stop\"")});
    EXPECT_TRUE(heard.outcome) << odd;
    EXPECT_TRUE(heard.completion) << odd;
  }
}

// ---- refusals ----

Target acme() {
  Target made;
  made.provider = "acme";
  return made;
}

// Noon on 21 October 2026.
const auto kNow = std::chrono::system_clock::from_time_t(1'792'584'000);

Failure error(long status, std::string_view body,
              std::optional<std::string_view> retry_after = {}) {
  return rejection_of(acme(), status, body, retry_after, "ACME_KEY", kNow);
}

std::string said(std::string_view message, std::string_view code = "") {
  return fmt::format(R"({{"error":{{"message":"{}","code":"{}"}}}})", message, code);
}

TEST(OpenAiRefusal, AStatusMeansAReaction) {
  struct Case {
    long status;
    std::string_view code;
    Errc expected;
  };
  for (const Case& each : {Case{400, "", Errc::invalid},
                           {400, "context_length_exceeded", Errc::context_exceeded},
                           {401, "invalid_api_key", Errc::denied},
                           {402, "", Errc::over_budget},
                           {403, "", Errc::denied},
                           {404, "model_not_found", Errc::not_found},
                           {408, "", Errc::timeout},
                           {413, "", Errc::invalid},
                           {422, "", Errc::invalid},
                           {429, "rate_limit_exceeded", Errc::busy},
                           {429, "insufficient_quota", Errc::over_budget},
                           {500, "", Errc::upstream},
                           {502, "", Errc::upstream},
                           {503, "", Errc::busy},
                           {529, "", Errc::busy}})
    EXPECT_EQ(error(each.status, said("x", each.code)).code, each.expected)
        << each.status << " " << each.code;
}

// One status, several reactions: the body's words decide.
TEST(OpenAiRefusal, TheBodyDecidesBeforeTheStatus) {
  struct Case {
    long status;
    std::string_view message, code;
    Errc expected;
    Remedy remedy;
  };
  for (const Case& each : {
           Case{429, "slow", "rate_limit_exceeded", Errc::busy, Remedy::retry_after},
           {429, "none left", "insufficient_quota", Errc::over_budget, Remedy::stop_account},
           {429, "", "", Errc::busy, Remedy::retry_after},
           {400, "x", "context_length_exceeded", Errc::context_exceeded, Remedy::shrink_context},
           {400, "maximum context length is 8192 tokens", "", Errc::context_exceeded,
            Remedy::shrink_context},
           {400, "bad field", "", Errc::invalid, Remedy::stop_request},
           {403, "", "permission_error", Errc::denied, Remedy::other_target},
           {404, "", "", Errc::not_found, Remedy::other_target},
           {413, "", "", Errc::invalid, Remedy::shrink_context},
           {500, "", "", Errc::upstream, Remedy::retry_same},
           {503, "", "", Errc::busy, Remedy::retry_after},
       }) {
    Failure failure = error(each.status, said(each.message, each.code));
    EXPECT_EQ(failure.code, each.expected) << each.status << " " << each.code;
    EXPECT_EQ(failure.remedy, each.remedy) << each.status << " " << each.code;
    EXPECT_EQ(failure.http_status, each.status);
  }
}

TEST(OpenAiRefusal, TheNumbersOfAContextAreRead) {
  Failure failure = error(400, said("This model's maximum context length is 8192 tokens. However, "
                                    "your messages resulted in 9000 tokens."));
  EXPECT_EQ(failure.n_context, 8192u);
  EXPECT_EQ(failure.n_prompt, 9000u);
  failure = error(400, said("maximum context length is many tokens"));
  EXPECT_EQ(failure.n_context, 0u);
}

TEST(OpenAiRefusal, SpeaksInTheProvidersWords) {
  EXPECT_EQ(error(400, said("max_tokens is too large")).message,
            "acme answered 400: max_tokens is too large");
  EXPECT_EQ(error(502, "Bad\nGateway").message, "acme answered 502: Bad Gateway");
  EXPECT_EQ(error(401, said("bad key")).message,
            "acme answered 401: bad key (the key comes from ACME_KEY)");
}

TEST(OpenAiRefusal, AWaitIsPassedOnWhenItMakesSense) {
  EXPECT_THAT(error(429, said("slow"), "20").message, HasSubstr("(retry after 20 s)"));
  EXPECT_THAT(error(503, said("slow"), "0").message, HasSubstr("(retry after 0 s)"));
  EXPECT_EQ(error(429, said("slow"), "20").retry_after, std::chrono::seconds(20));
  EXPECT_EQ(error(429, said("slow"), "0.4").retry_after, std::chrono::seconds(1));
  EXPECT_EQ(error(429, said("slow"), "Wed, 21 Oct 2026 12:01:30 GMT").retry_after,
            std::chrono::seconds(90));
  EXPECT_EQ(error(429, said("slow"), "Wed, 21 Oct 2026 11:00:00 GMT").retry_after,
            std::chrono::seconds(0));
  EXPECT_EQ(error(429, said("slow"), "1000000000").retry_after, std::chrono::seconds(7 * 86400));
  for (auto absurd : {"", "-1", "nan", "soon", "1 2"}) {
    EXPECT_THAT(error(429, said("slow"), absurd).message, Not(HasSubstr("retry"))) << absurd;
    EXPECT_EQ(error(429, said("slow"), absurd).retry_after, std::nullopt) << absurd;
  }
}

TEST(OpenAiRefusal, AnyBodyBecomesOneShortLineOfText) {
  for (std::string body :
       {std::string(), std::string(100'000, 'x'), std::string("\0\xff\xfe\n\r\x1b[31m", 9),
        said("\\u0000\\n"), std::string(R"({"error":null})"), std::string(R"({"error":[1]})"),
        std::string(R"({"error":"no"})")}) {
    std::string message = error(500, body).message;
    EXPECT_TRUE(simdjson::validate_utf8(message));
    EXPECT_LT(message.size(), 600u);
    EXPECT_TRUE(std::ranges::none_of(message, [](unsigned char c) { return c < 0x20; }));
  }
}

TEST(OpenAiRefusal, WordsAreCutBetweenCharacters) {
  std::string long_text;
  while (long_text.size() < 600) long_text += "aé€😀";
  for (size_t shift = 0; shift < 4; ++shift) {
    std::string words = words_of(std::string(shift, '.') + long_text);
    EXPECT_TRUE(simdjson::validate_utf8(words));
    EXPECT_THAT(words, Not(HasSubstr("?")));
    EXPECT_GT(words.size(), 490u);
  }
}

}  // namespace
}  // namespace hearth::router::openai
