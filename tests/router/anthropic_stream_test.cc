// What Anthropic's wire says, in canonical form.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/anthropic_recorded.h"
#include "router/providers/anthropic.h"

namespace hearth::router::anthropic {
namespace {

using ::testing::HasSubstr;

struct Heard {
  Result<void, Failure> outcome;
  std::vector<StreamDelta> deltas;
  Answer answer = Error{};
};

Heard hear(const std::vector<std::string>& events, size_t max_bytes = 1 << 20) {
  Target target;
  target.provider = "anthropic";
  Heard heard;
  auto reader = messages_reader(
      target, [&](const StreamDelta& delta) { heard.deltas.push_back(delta); }, max_bytes);
  for (const std::string& event : events)
    if (heard.outcome) heard.outcome = reader->hear("", event);
  EXPECT_EQ(reader->is_done(), reader->is_complete());
  heard.answer = reader->finish("anthropic");
  return heard;
}

// An answer of these events between its first and its last.
Heard hear_within(std::vector<std::string> events) {
  events.insert(events.begin(), R"({"type":"message_start","message":{}})");
  events.push_back(R"({"type":"message_stop"})");
  return hear(events);
}

template <class Content>
const Content& block(const Heard& heard, size_t i) {
  return std::get<Content>(heard.answer->message.blocks.at(i).content);
}

TEST(AnthropicStream, BlocksBecomeDeltasAndBlocks) {
  Heard heard = hear(anthropic_events());
  ASSERT_TRUE(heard.answer) << heard.answer.error().message;
  ASSERT_EQ(heard.answer->message.blocks.size(), 4u);
  EXPECT_EQ(block<Reasoning>(heard, 0).text, "Let me see.");
  EXPECT_EQ(block<Opaque>(heard, 1).provider, "anthropic");
  EXPECT_EQ(block<Opaque>(heard, 1).part.text, R"({"type":"thinking","signature":"EqQBCgw="})");
  EXPECT_EQ(block<Text>(heard, 2).text, "Hello, wörld");
  EXPECT_EQ(block<ToolCall>(heard, 3).id, "toolu_1");
  EXPECT_EQ(block<ToolCall>(heard, 3).name, "run");
  EXPECT_EQ(block<ToolCall>(heard, 3).arguments, "{\"a\": 1}");
  EXPECT_EQ(heard.answer->finish_reason, FinishReason::tool_calls);
  std::string text, thoughts, arguments;
  for (const StreamDelta& delta : heard.deltas) {
    if (delta.kind == StreamDelta::Kind::text) text += delta.text;
    if (delta.kind == StreamDelta::Kind::reasoning) thoughts += delta.text;
    if (delta.kind == StreamDelta::Kind::tool_call) arguments += delta.text;
  }
  EXPECT_EQ(text, "Hello, wörld");
  EXPECT_EQ(thoughts, "Let me see.");
  EXPECT_EQ(arguments, "{\"a\": 1}");
}

TEST(AnthropicStream, TheClassesOfUsageAreDisjointAndAddUp) {
  const Usage usage = hear(anthropic_events()).answer->usage;
  EXPECT_EQ(usage.n_fresh(), 25u);
  EXPECT_EQ(usage.n_cached, 1000u);
  EXPECT_EQ(usage.n_cache_write, 200u);
  EXPECT_EQ(usage.n_cache_write_1h, 100u);
  EXPECT_EQ(usage.n_prompt, 1325u);
  EXPECT_EQ(usage.n_completion, 89u) << "the last count is the total, not a further one";
}

TEST(AnthropicStream, TheSizeOfThePromptIsToldBeforeTheFirstWord) {
  const Heard heard = hear(anthropic_events());
  ASSERT_FALSE(heard.deltas.empty());
  const StreamDelta& first = heard.deltas.front();
  EXPECT_EQ(first.kind, StreamDelta::Kind::progress);
  EXPECT_EQ(first.provider, "anthropic") << "it computes there, not here";
  EXPECT_EQ(first.n_prompt, 1325u);
  EXPECT_EQ(first.n_done, 1000u);
}

TEST(AnthropicStream, ALaterCountCorrectsAnEarlierOne) {
  Heard heard = hear(
      {R"({"type":"message_start","message":{"usage":{"input_tokens":5,"output_tokens":1}}})",
       R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":9,"cache_read_input_tokens":3,"output_tokens":4}})",
       R"({"type":"message_stop"})"});
  ASSERT_TRUE(heard.answer);
  EXPECT_EQ(heard.answer->usage.n_prompt, 12u);
  EXPECT_EQ(heard.answer->usage.n_completion, 4u);
}

TEST(AnthropicStream, AbsurdUsageIsBounded) {
  Heard heard = hear(
      {R"({"type":"message_start","message":{"usage":{"input_tokens":18446744073709551615,"cache_read_input_tokens":18446744073709551615,"cache_creation_input_tokens":7,"cache_creation":{"ephemeral_1h_input_tokens":99},"output_tokens":-1}}})",
       R"({"type":"message_stop"})"});
  ASSERT_TRUE(heard.answer);
  EXPECT_EQ(heard.answer->usage.n_prompt, 7u);
  EXPECT_EQ(heard.answer->usage.n_cache_write_1h, 7u);
  EXPECT_EQ(heard.answer->usage.n_cache_write, 0u);
  EXPECT_EQ(heard.answer->usage.n_completion, 0u);
}

TEST(AnthropicStream, StopReasonsAreTranslated) {
  auto reason = [](std::string_view said) {
    return hear_within({fmt::format(R"({{"type":"message_delta","delta":{{"stop_reason":"{}",)"
                                    R"("stop_sequence":"END"}}}})",
                                    said)})
        .answer->finish_reason;
  };
  EXPECT_EQ(reason("end_turn"), FinishReason::stop);
  EXPECT_EQ(reason("stop_sequence"), FinishReason::stop);
  EXPECT_EQ(reason("max_tokens"), FinishReason::length);
  EXPECT_EQ(reason("model_context_window_exceeded"), FinishReason::length);
  EXPECT_EQ(reason("tool_use"), FinishReason::tool_calls);
  EXPECT_EQ(reason("refusal"), FinishReason::content_filter);
  EXPECT_EQ(reason("something_new"), FinishReason::stop);
  Heard heard = hear_within(
      {R"({"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END"}})"});
  EXPECT_EQ(heard.answer->stop_string, "END");
}

TEST(AnthropicStream, ACallWithoutPiecesHasTheInputOfItsStart) {
  auto arguments = [](std::string_view input) {
    Heard heard = hear_within(
        {fmt::format(R"({{"type":"content_block_start","index":0,"content_block":{{"type":)"
                     R"("tool_use","id":"t","name":"ls","input":{}}}}})",
                     input),
         R"({"type":"content_block_stop","index":0})"});
    return block<ToolCall>(heard, 0).arguments;
  };
  EXPECT_EQ(arguments("{}"), "{}");
  EXPECT_EQ(arguments(R"({"a":1})"), R"({"a":1})");
}

TEST(AnthropicStream, WhatOnlyTheProviderUnderstandsIsKept) {
  Heard heard = hear_within(
      {R"({"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"xyz"}})",
       R"({"type":"content_block_stop","index":0})"});
  EXPECT_EQ(block<Opaque>(heard, 0).part.text, R"({"type":"redacted_thinking","data":"xyz"})");
  ASSERT_EQ(heard.deltas.size(), 1u) << "clients that stream must return it too";
  EXPECT_EQ(heard.deltas[0].kind, StreamDelta::Kind::opaque);
}

TEST(AnthropicStream, WithoutItsLastEventNothingIsComplete) {
  std::vector<std::string> events = anthropic_events();
  while (!events.empty()) {
    events.pop_back();
    Heard heard = hear(events);
    ASSERT_FALSE(heard.answer) << events.size();
    EXPECT_EQ(heard.answer.error().code, Errc::upstream);
    EXPECT_THAT(heard.answer.error().message, HasSubstr("before the answer was complete"));
  }
}

TEST(AnthropicStream, AnErrorInTheStreamMeansWhatItsTypeSays) {
  struct Case {
    std::string_view type;
    Errc code;
    Remedy remedy;
  };
  for (const Case& each : {Case{"overloaded_error", Errc::busy, Remedy::retry_after},
                           {"rate_limit_error", Errc::busy, Remedy::retry_after},
                           {"api_error", Errc::upstream, Remedy::retry_same},
                           {"timeout_error", Errc::timeout, Remedy::retry_same},
                           {"something_new", Errc::upstream, Remedy::retry_same}}) {
    Heard heard = hear({fmt::format(
        R"({{"type":"error","error":{{"type":"{}","message":"Overloaded"}}}})", each.type)});
    ASSERT_FALSE(heard.outcome);
    EXPECT_EQ(heard.outcome.error().code, each.code) << each.type;
    EXPECT_EQ(heard.outcome.error().remedy, each.remedy) << each.type;
    EXPECT_EQ(heard.outcome.error().word, each.type);
    EXPECT_EQ(heard.outcome.error().message, "Overloaded");
  }
}

TEST(AnthropicStream, WhatIsNotJsonIsAnErrorAndWhatIsUnknownIsNot) {
  Heard garbage = hear({"<html>\x01\xff"});
  ASSERT_FALSE(garbage.outcome);
  EXPECT_THAT(garbage.outcome.error().message, HasSubstr("not JSON"));
  for (const char* odd :
       {"{}", "[]", "1", "null", R"({"type":7})", R"({"type":"vertex_event","index":[]})",
        R"({"type":"message_start"})", R"({"type":"message_delta","delta":7,"usage":[]})",
        R"({"type":"content_block_start","index":-1,"content_block":{}})",
        R"({"type":"content_block_start","content_block":7})",
        R"({"type":"content_block_delta","index":9,"delta":{"type":"text_delta","text":"lost"}})",
        R"({"type":"content_block_delta","index":9,"delta":[]})",
        R"({"type":"content_block_stop","index":"x"})"}) {
    Heard heard = hear_within({odd});
    EXPECT_TRUE(heard.outcome) << odd;
    EXPECT_TRUE(heard.answer) << odd;
  }
}

TEST(AnthropicStream, AnswersAndTheirPartsAreBounded) {
  std::vector<std::string> events;
  for (int i = 0; i < 300; ++i)
    events.push_back(fmt::format(
        R"({{"type":"content_block_start","index":{},"content_block":{{"type":"text"}}}})", i));
  EXPECT_FALSE(hear(events).outcome);
  EXPECT_FALSE(hear(anthropic_events(), 30).outcome);
}

}  // namespace
}  // namespace hearth::router::anthropic
