#include "wire/openai.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hearth::wire::openai {
namespace {

using testing::HasSubstr;

Request chat(std::string_view body) {
  auto request = parse_chat(body);
  EXPECT_TRUE(request) << request.error().message;
  return request ? *request : Request{};
}

std::string chat_error(std::string_view body) {
  auto request = parse_chat(body);
  return request ? "" : request.error().message;
}

const Head kHead{"chatcmpl-1", 1700000000, "m"};

TEST(OpenAiChat, ReadsAPlainConversation) {
  Request request = chat(R"({"model":"local","messages":[{"role":"system","content":"be brief"},
    {"role":"user","content":"hi"}],"max_tokens":5,"temperature":0,"seed":42,"stop":["a","b"],"stream":true,
    "stream_options":{"include_usage":true},"unknown":{"x":1}})");
  EXPECT_EQ(request.model, "local");
  ASSERT_EQ(request.body.messages.size(), 2u);
  EXPECT_EQ(request.body.messages[0].role, Role::system);
  EXPECT_EQ(text_of(request.body.messages[1]), "hi");
  EXPECT_EQ(request.body.max_tokens, 5u);
  EXPECT_EQ(request.body.sampling.temperature, 0.f);
  EXPECT_EQ(request.body.sampling.seed, 42u);
  EXPECT_EQ(request.body.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(request.is_stream);
  EXPECT_TRUE(request.include_usage);
}

TEST(OpenAiChat, ReadsContentAsStringNullOrParts) {
  Request request = chat(R"({"messages":[
    {"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:,x"}}]},
    {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"read","arguments":"{\"p\": 1}"}}]},
    {"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
    {"role":"assistant","content":""}]})");
  ASSERT_EQ(request.body.messages.size(), 4u);
  EXPECT_EQ(std::get<Image>(request.body.messages[0].blocks[1].content).url, "data:,x");
  EXPECT_EQ(std::get<ToolCall>(request.body.messages[1].blocks[0].content).arguments, "{\"p\": 1}");
  const auto& result = std::get<ToolResult>(request.body.messages[2].blocks[0].content);
  EXPECT_EQ(result.call_id, "c1");
  EXPECT_EQ(result.text, "ab");
}

TEST(OpenAiChat, PassesReasoningControlsToTheTemplate) {
  Request request = chat(R"({"messages":[{"role":"user","content":"x"}],"reasoning_effort":"low",
    "enable_thinking":true,"chat_template_kwargs":{"enable_thinking":false,"k":[1]}})");
  EXPECT_EQ(request.body.template_variables.text, R"({"reasoning_effort":"low","enable_thinking":false,"k":[1]})");
}

TEST(OpenAiChat, KeepsToolSchemasAsTheyWereWritten) {
  Request request = chat(R"({"messages":[{"role":"user","content":"x"}],
    "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"z":{},"a":{}}}}}]})");
  ASSERT_EQ(request.body.tools.size(), 1u);
  EXPECT_EQ(request.body.tools[0].parameters.text, R"({"type":"object","properties":{"z":{},"a":{}}})");
}

TEST(OpenAiChat, OffersNoToolsWhenToolChoiceIsNone) {
  Request request = chat(R"({"messages":[{"role":"user","content":"x"}],"tool_choice":"none",
    "tools":[{"type":"function","function":{"name":"f"}}]})");
  EXPECT_TRUE(request.body.tools.empty());
}

TEST(OpenAiChat, NamesTheFieldThatIsWrong) {
  EXPECT_THAT(chat_error("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(chat_error("[]"), HasSubstr("body: expected an object"));
  EXPECT_THAT(chat_error("{}"), HasSubstr("messages: expected"));
  EXPECT_THAT(chat_error(R"({"messages":[]})"), HasSubstr("messages: expected"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"wizard","content":"x"}]})"), HasSubstr("messages[0].role"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":7}]})"), HasSubstr("messages[0].content"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":[{"type":"video"}]}]})"), HasSubstr("messages[0].content[0].type"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":"x"}],"n":2})"), HasSubstr("n: only 1"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":"x"}],"temperature":"hot"})"), HasSubstr("temperature"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":"x"}],"max_tokens":0})"), HasSubstr("max_tokens"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":"x"}],"max_tokens":1.5})"), HasSubstr("max_tokens"));
  EXPECT_THAT(chat_error(R"({"messages":[{"role":"user","content":"x"}],"top_k":-1})"), HasSubstr("top_k"));
}

TEST(OpenAiCompletions, ReadsAPromptAndItsDefaults) {
  auto request = parse_completions(R"({"prompt":"once","echo":true})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->body.prompt, "once");
  EXPECT_EQ(request->body.max_tokens, 16u);
  EXPECT_TRUE(request->echo);
  EXPECT_TRUE(parse_completions(R"({"prompt":["one"]})"));
  EXPECT_FALSE(parse_completions(R"({"prompt":["one","two"]})"));
  EXPECT_FALSE(parse_completions(R"({"prompt":[1,2]})"));
}

Completion sample() {
  Completion completion;
  completion.message.role = Role::assistant;
  completion.message.blocks.resize(2);
  completion.message.blocks[0].content = Reasoning{"hm", std::nullopt};
  completion.message.blocks[1].content = Text{"hello"};
  completion.usage = {10, 4, 3, 1};
  return completion;
}

TEST(OpenAiChat, WritesAWholeAnswer) {
  auto body = json::parse_value(chat_response(kHead, sample()));
  ASSERT_TRUE(body);
  const auto& choice = body->at("choices").at(0);
  EXPECT_EQ(choice.at("message").at("content"), "hello");
  EXPECT_EQ(choice.at("message").at("reasoning_content"), "hm");
  EXPECT_EQ(choice.at("finish_reason"), "stop");
  EXPECT_EQ(body->at("usage").at("prompt_tokens_details").at("cached_tokens").to_number<int>(), 4);
  EXPECT_EQ(body->at("usage").at("total_tokens").to_number<int>(), 13);
}

TEST(OpenAiChat, WritesNullContentBesideToolCalls) {
  Completion completion;
  completion.finish_reason = FinishReason::tool_calls;
  completion.message.blocks.emplace_back().content = ToolCall{"c", "f", "{}"};
  auto body = json::parse_value(chat_response(kHead, completion));
  ASSERT_TRUE(body);
  const auto& message = body->at("choices").at(0).at("message");
  EXPECT_TRUE(message.at("content").is_null());
  EXPECT_EQ(message.at("tool_calls").at(0).at("function").at("name"), "f");
}

TEST(OpenAiChat, StreamsUsageInAChunkWithoutChoices) {
  auto chunk = json::parse_value(usage_chunk(kHead, true, sample().usage, {}));
  ASSERT_TRUE(chunk);
  EXPECT_TRUE(chunk->at("choices").as_array().empty());
  EXPECT_EQ(chunk->at("usage").at("prompt_tokens").to_number<int>(), 10);
}

TEST(OpenAiError, StatesBothNumbersWhenTheContextIsExceeded) {
  ErrorReply reply = error_reply({Errc::context_exceeded, "too long"}, {9000, 8192});
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("context_length_exceeded"));
  EXPECT_THAT(reply.body, HasSubstr("8192"));
  EXPECT_THAT(reply.body, HasSubstr("9000"));
}

TEST(OpenAiError, AsksToRetryOnlyWhenBusy) {
  EXPECT_EQ(error_reply({Errc::busy, "x"}).retry_after_s, 1);
  EXPECT_FALSE(error_reply({Errc::invalid, "x"}).retry_after_s);
  EXPECT_EQ(error_reply({Errc::not_found, "x"}).status, 404);
}

}  // namespace
}  // namespace hearth::wire::openai
