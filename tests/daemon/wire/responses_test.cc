// OpenAI's responses wire; items and events as its public documentation shows them.
#include "wire/responses.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/wire/sse_events.h"

namespace hearth::wire::responses {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = StreamDelta::Kind;

Asked ask(std::string_view fields) {
  auto asked = parse(fmt::format(R"({{"model":"m",{}}})", fields));
  EXPECT_TRUE(asked) << asked.error().message;
  return asked ? std::move(*asked) : Asked{};
}

Failure refusal(std::string_view fields) {
  auto asked = parse(fmt::format(R"({{"model":"m",{}}})", fields));
  EXPECT_FALSE(asked);
  return asked ? Failure(Error{}) : asked.error();
}

template <class T>
const T& part(const Message& message, size_t index) {
  return std::get<T>(message.blocks.at(index).content);
}

const Head kHead{"resp_1", 1700000000, "m", 0, 0};

TEST(Responses, ReadsATextWithInstructions) {
  Asked asked = ask(
      R"("input":"Hi","instructions":"be brief","stream":true,"max_output_tokens":20,"temperature":0,
    "store":false,"include":["reasoning.encrypted_content"],"prompt_cache_key":"k","client_metadata":{"a":"b"},
    "reasoning":{"effort":"high","summary":"auto"},"text":{"verbosity":"low"},"truncation":"auto","unknown":1)");
  ASSERT_EQ(asked.body.messages.size(), 2u);
  EXPECT_EQ(asked.body.messages[0].role, Role::system);
  EXPECT_EQ(text_of(asked.body.messages[1]), "Hi");
  EXPECT_TRUE(asked.is_stream);
  EXPECT_EQ(asked.body.max_tokens, 20u);
  EXPECT_EQ(asked.session, "k");
  EXPECT_EQ(asked.body.reasoning.effort, Effort::high);
}

TEST(Responses, WhatAnAssistantMadeInARowIsOneMessage) {
  Asked asked = ask(R"("input":[
    {"type":"message","role":"developer","content":[{"type":"input_text","text":"rules"}]},
    {"role":"user","content":[{"type":"input_text","text":"look"},{"type":"input_image","image_url":"data:,x","detail":"low"}]},
    {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAA"},
    {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I call.","annotations":[]}]},
    {"type":"function_call","call_id":"c1","name":"read","arguments":"{\"p\": 1}"},
    {"type":"custom_tool_call","call_id":"c2","name":"apply_patch","input":"*** Begin \"x\""},
    {"type":"function_call_output","call_id":"c1","output":"text"},
    {"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"done"},{"type":"input_image","image_url":"data:,y"}]}])");
  const auto& messages = asked.body.messages;
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages[0].role, Role::developer);
  EXPECT_EQ(part<Image>(messages[1], 1).detail, "low");
  EXPECT_EQ(messages[2].role, Role::assistant);
  EXPECT_EQ(part<Reasoning>(messages[2], 0).text, "hm");
  EXPECT_EQ(
      part<Opaque>(messages[2], 1).part.text,
      R"({"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAA"})")
      << "the item itself, for its provider";
  EXPECT_EQ(part<Text>(messages[2], 2).text, "I call.");
  EXPECT_EQ(part<ToolCall>(messages[2], 3).arguments, "{\"p\": 1}") << "to the letter";
  EXPECT_EQ(part<ToolCall>(messages[2], 4).arguments, R"({"input":"*** Begin \"x\""})");
  EXPECT_EQ(part<ToolResult>(messages[3], 0).text, "text");
  EXPECT_EQ(messages[3].blocks[0].source->tool, "read");
  EXPECT_EQ(part<ToolResult>(messages[4], 0).text, "done");
  EXPECT_EQ(part<Image>(messages[4], 1).url, "data:,y");
}

TEST(Responses, WhatIsReferredToByIdIsNotFound) {
  Failure failure = refusal(R"("input":"x","previous_response_id":"resp_9")");
  EXPECT_EQ(failure.word, "previous_response_not_found");
  EXPECT_THAT(failure.message, HasSubstr("'resp_9' not found"));
  EXPECT_EQ(field_of(failure), "previous_response_id");
  EXPECT_EQ(refusal(R"("input":[{"type":"item_reference","id":"msg_1"}])").word, "item_not_found");
  EXPECT_EQ(refusal(R"("input":"x","conversation":"conv_1")").code, Errc::invalid);
  EXPECT_EQ(refusal(R"("input":"x","background":true)").code, Errc::unsupported);
  EXPECT_EQ(refusal(R"("input":"x","top_logprobs":2)").code, Errc::unsupported);
}

TEST(Responses, NamesWhatIsWrong) {
  EXPECT_THAT(refusal(R"("x":1)").message, HasSubstr("input: expected"));
  EXPECT_THAT(refusal(R"("input":[]})").message, HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(R"("input":[])").message, HasSubstr("input: expected"));
  EXPECT_THAT(refusal(R"("input":[{"role":"wizard","content":"x"}])").message,
              HasSubstr("input[0].role"));
  EXPECT_THAT(refusal(R"("input":[{"role":"user","content":[{"type":"input_file"}]}])").message,
              HasSubstr("input[0].content[0].type"));
  EXPECT_THAT(refusal(R"("input":[{"type":"function_call","name":"f","arguments":""}])").message,
              HasSubstr("input[0].call_id"));
}

TEST(Responses, OffersTheToolsThatCanRunHere) {
  Asked asked = ask(R"("input":"x","tools":[
    {"type":"function","name":"f","description":"d","parameters":{"z":1,"a":2},"strict":false},
    {"type":"custom","name":"apply_patch","description":"edits","format":{"type":"grammar","syntax":"lark","definition":"x"}},
    {"type":"web_search"}],"tool_choice":"auto","parallel_tool_calls":true)");
  ASSERT_EQ(asked.body.tools.size(), 2u);
  EXPECT_EQ(asked.body.tools[0].parameters.text, R"({"z":1,"a":2})");
  EXPECT_THAT(asked.body.tools[1].parameters.text, HasSubstr("\"input\""));
  EXPECT_EQ(asked.free_form.at("apply_patch").text,
            R"({"type":"grammar","syntax":"lark","definition":"x"})");
  EXPECT_EQ(asked.free_form.size(), 1u);
  EXPECT_THAT(asked.left_out, ElementsAre("tools[2]: web_search"));
  EXPECT_EQ(asked.body.tool_choice.parallel, true);
  EXPECT_EQ(
      refusal(R"("input":"x","tools":[{"type":"web_search"}],"tool_choice":{"type":"web_search"})")
          .code,
      Errc::unsupported);
  Asked allowed =
      ask(R"("input":"x","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}],
    "tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]})");
  ASSERT_EQ(allowed.body.tools.size(), 1u);
  EXPECT_EQ(allowed.body.tools[0].name, "g");
  EXPECT_EQ(allowed.body.tool_choice.mode, ToolChoice::Mode::required);
}

TEST(Responses, NamesTheWishesThatItLeavesOut) {
  EXPECT_THAT(ask(R"("input":"x","text":{"verbosity":"low"},"service_tier":"flex")").left_out,
              ElementsAre("text.verbosity", "service_tier: flex"));
  EXPECT_TRUE(ask(R"("input":"x","text":{},"service_tier":"auto")").left_out.empty());
}

StreamDelta say(Kind kind, std::string text) {
  StreamDelta delta;
  delta.kind = kind;
  delta.text = std::move(text);
  return delta;
}

StreamDelta call(uint32_t index, std::string text, std::string name = "") {
  StreamDelta delta = say(Kind::tool_call, std::move(text));
  delta.tool_index = index;
  if (!name.empty()) delta.tool_id = "call_" + name;
  delta.tool_name = std::move(name);
  return delta;
}

Completion answer(const std::vector<StreamDelta>& deltas,
                  FinishReason reason = FinishReason::stop) {
  Completion completion;
  completion.message.role = Role::assistant;
  for (const StreamDelta& delta : deltas) append(completion.message, delta);
  completion.finish_reason = reason;
  completion.usage.n_prompt = 10;
  completion.usage.n_cached = 4;
  completion.usage.n_completion = 3;
  completion.usage.n_reasoning = 1;
  return completion;
}

std::vector<StreamDelta> thinks_says_and_calls() {
  StreamDelta sign =
      say(Kind::opaque, R"({"type":"reasoning","id":"rs_1","encrypted_content":"gAAA"})");
  sign.provider = "openai";
  return {
      say(Kind::reasoning, "h"), say(Kind::reasoning, "m"), sign,          say(Kind::text, "Hel"),
      say(Kind::text, "lo"),     call(0, "{\"a\"", "f"),    call(0, ":1}")};
}

TEST(Responses, StreamsTypedEventsInSequence) {
  const auto deltas = thinks_says_and_calls();
  Asked asked = ask(R"("input":"x","instructions":"i","tools":[{"type":"function","name":"f"}])");
  const auto events =
      read_events(streamed(*asked.shape, kHead, deltas, answer(deltas, FinishReason::tool_calls)));
  EXPECT_EQ(names_of(events),
            "response.created response.in_progress "
            "response.output_item.added response.reasoning_summary_part.added "
            "response.reasoning_summary_text.delta response.reasoning_summary_text.delta "
            "response.reasoning_summary_text.done response.reasoning_summary_part.done "
            "response.output_item.done "
            "response.output_item.added response.content_part.added response.output_text.delta "
            "response.output_text.delta response.output_text.done response.content_part.done "
            "response.output_item.done "
            "response.output_item.added response.function_call_arguments.delta "
            "response.function_call_arguments.delta response.function_call_arguments.done "
            "response.output_item.done "
            "response.completed");
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].data.at("type"), json::Value(events[i].name));
    EXPECT_EQ(events[i].data.at("sequence_number").to_number<size_t>(), i);
  }
  EXPECT_EQ(events[0].data.at("response").at("status"), "in_progress");
  EXPECT_EQ(events[0].data.at("response").at("instructions"), "i");
  EXPECT_EQ(events[8].data.at("item").at("encrypted_content"), "gAAA");
  EXPECT_EQ(events[8].data.at("item").at("id"), "rs_1") << "by which its provider knows it";
  EXPECT_EQ(events[8].data.at("item").at("summary").at(0).at("text"), "hm");
  EXPECT_EQ(events[11].data.at("delta"), "Hel");
  EXPECT_EQ(events[11].data.at("item_id"), events[9].data.at("item").at("id"));
  EXPECT_EQ(events[11].data.at("output_index").to_number<int>(), 1);
  EXPECT_EQ(events[13].data.at("text"), "Hello");
  EXPECT_EQ(events[19].data.at("arguments"), R"({"a":1})");
  EXPECT_EQ(events[20].data.at("item").at("call_id"), "call_f");
  const auto& response = events.back().data.at("response");
  EXPECT_EQ(response.at("status"), "completed");
  EXPECT_EQ(response.at("output").as_array().size(), 3u);
  EXPECT_EQ(boost::json::serialize(response.at("usage")),
            R"({"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":3,)"
            R"("output_tokens_details":{"reasoning_tokens":1},"total_tokens":13})");
}

TEST(Responses, TheUsageSaysWhatWasWrittenToACache) {
  Completion completion = answer(thinks_says_and_calls());
  completion.usage.n_cache_write = 3;
  auto body = json::parse_value(ask(R"("input":"x")").shape->whole(kHead, completion));
  ASSERT_TRUE(body);
  const auto& details = body->at("usage").at("input_tokens_details");
  EXPECT_EQ(details.at("cache_write_tokens").to_number<int>(), 3);
}

TEST(Responses, AWholeAnswerHoldsWhatItsStreamWouldHave) {
  Asked asked = ask(R"("input":"x","metadata":{"a":"b"},"store":true)");
  auto body = json::parse_value(asked.shape->whole(kHead, answer(thinks_says_and_calls())));
  ASSERT_TRUE(body);
  EXPECT_EQ(body->at("object"), "response");
  EXPECT_EQ(body->at("status"), "completed");
  EXPECT_EQ(body->at("store"), false) << "nothing is stored, whoever asks for it";
  EXPECT_EQ(body->at("metadata").at("a"), "b");
  const auto& output = body->at("output").as_array();
  ASSERT_EQ(output.size(), 3u);
  EXPECT_EQ(output[0].at("type"), "reasoning");
  EXPECT_EQ(output[1].at("content").at(0).at("text"), "Hello");
  EXPECT_EQ(output[2].at("arguments"), R"({"a":1})");
}

TEST(Responses, ACallOfAFreeFormToolIsItsText) {
  const std::vector<StreamDelta> deltas = {call(0, R"({"input":"*** Begin)", "apply_patch"),
                                           call(0, R"(\n"})")};
  Asked asked = ask(R"("input":"x","tools":[{"type":"custom","name":"apply_patch"}])");
  const auto events = read_events(streamed(*asked.shape, kHead, deltas, answer(deltas)));
  EXPECT_EQ(names_of(events),
            "response.created response.in_progress response.output_item.added "
            "response.custom_tool_call_input.delta response.custom_tool_call_input.done "
            "response.output_item.done response.completed");
  EXPECT_EQ(events[5].data.at("item").at("type"), "custom_tool_call");
  EXPECT_EQ(events[5].data.at("item").at("input"), "*** Begin\n");
}

TEST(Responses, AnAnswerThatIsCutShortIsIncomplete) {
  const std::vector<StreamDelta> deltas = {say(Kind::text, "x")};
  Asked asked = ask(R"("input":"x")");
  const auto events =
      read_events(streamed(*asked.shape, kHead, deltas, answer(deltas, FinishReason::length)));
  EXPECT_EQ(events.back().name, "response.incomplete");
  EXPECT_EQ(events.back().data.at("response").at("incomplete_details").at("reason"),
            "max_output_tokens");
}

TEST(Responses, AFailureBehindTheFirstByteEndsTheResponse) {
  Failure failure = Error{Errc::context_exceeded, "too long"};
  failure.n_prompt = 9000;
  failure.n_context = 8192;
  Asked asked = ask(R"("input":"x")");
  std::string out;
  asked.shape->begin(kHead, out);
  asked.shape->hear(kHead, say(Kind::text, "Hal"), out);
  asked.shape->fail(kHead, failure, out);
  const auto events = read_events(out);
  EXPECT_EQ(events.back().name, "response.failed");
  const auto& response = events.back().data.at("response");
  EXPECT_EQ(response.at("status"), "failed");
  EXPECT_EQ(response.at("error").at("code"), "context_length_exceeded");
  EXPECT_THAT(std::string(response.at("error").at("message").as_string()), HasSubstr("9000"));
}

}  // namespace
}  // namespace hearth::wire::responses
