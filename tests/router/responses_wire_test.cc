// OpenAI's responses: requests and streams, written after the public documentation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/providers/openai_responses.h"
#include "router/providers/table.h"
#include "support/json.h"

namespace hearth::router::openai {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Target target() {
  Target made;
  made.kind = TargetKind::api;
  made.provider = "openai-responses";
  made.model = "gpt-x";
  return made;
}

template <class... Contents>
Message message(Role role, Contents... contents) {
  Message made;
  made.role = role;
  (made.blocks.emplace_back(Block{std::move(contents), {}, {}, {}, {}}), ...);
  return made;
}

std::string body_of(const CompletionRequest& request, std::string_view affinity = {}) {
  auto body = responses_body(target(), row_of("openai-responses").quirks, request, affinity);
  EXPECT_TRUE(body);
  return body ? *body : "";
}

std::string member_of(const CompletionRequest& request, std::string_view name,
                      std::string_view affinity = {}) {
  auto body = json::parse_value(body_of(request, affinity));
  auto* member = body->as_object().if_contains(name);
  return member ? boost::json::serialize(*member) : "absent";
}

std::string input_of(std::vector<Message> messages) {
  CompletionRequest request;
  request.messages = std::move(messages);
  return member_of(request, "input");
}

TEST(ResponsesRequest, IsAStreamThatIsNotStored) {
  CompletionRequest request;
  request.messages = {message(Role::user, Text{"Hi"})};
  EXPECT_EQ(body_of(request),
            R"({"model":"gpt-x","input":[{"role":"user","content":"Hi"}],"stream":true,)"
            R"("store":false,"include":["reasoning.encrypted_content"]})");
}

TEST(ResponsesRequest, CallsResultsAndThoughtsAreItems) {
  const std::string thought =
      R"({"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAA=="})";
  EXPECT_EQ(
      input_of({message(Role::system, Text{"Be brief"}), message(Role::user, Text{"Look"}),
                message(Role::assistant, Reasoning{"hm", {}}, Opaque{"openai-responses", {thought}},
                        Opaque{"anthropic", {R"({"type":"x"})"}}, Text{"I do"},
                        ToolCall{"c1", "run", R"({"a": 1})"}),
                message(Role::tool, ToolResult{"c1", "done", false})}),
      R"([{"role":"system","content":"Be brief"},{"role":"user","content":"Look"},)" + thought +
          R"(,{"role":"assistant","content":"I do"},)"
          R"({"type":"function_call","call_id":"c1","name":"run","arguments":"{\"a\": 1}"},)"
          R"({"type":"function_call_output","call_id":"c1","output":"done"}])");
}

TEST(ResponsesRequest, ImagesArePartsAndBelongToTheirResult) {
  EXPECT_EQ(
      input_of({message(Role::user, Text{"See"}, Image{"data:image/png;base64,AA==", "low"})}),
      R"([{"role":"user","content":[{"type":"input_text","text":"See"},)"
      R"({"type":"input_image","image_url":"data:image/png;base64,AA==","detail":"low"}]}])");
  EXPECT_EQ(
      input_of({message(Role::tool, ToolResult{"c1", "shot", false}, Image{"https://x/y", ""})}),
      R"([{"type":"function_call_output","call_id":"c1","output":[{"type":"input_text",)"
      R"("text":"shot"},{"type":"input_image","image_url":"https://x/y"}]}])");
}

TEST(ResponsesRequest, ControlsAreSaidInItsWords) {
  CompletionRequest request;
  request.tools = {{"run", "Runs", {R"({"type":"object"})"}, {}}};
  request.tool_choice = {ToolChoice::Mode::named, "run", false};
  request.reasoning.budget_tokens = 10'000;
  request.max_tokens = 500;
  request.response_format.kind = ResponseFormat::Kind::json_schema;
  request.response_format.name = "plan";
  request.response_format.schema.text = R"({"type":"object"})";
  request.response_format.is_strict = true;
  EXPECT_EQ(member_of(request, "tools"),
            R"([{"type":"function","name":"run","description":"Runs","parameters":)"
            R"({"type":"object"},"strict":false}])");
  EXPECT_EQ(member_of(request, "tool_choice"), R"({"type":"function","name":"run"})");
  EXPECT_EQ(member_of(request, "parallel_tool_calls"), "false");
  EXPECT_EQ(member_of(request, "reasoning"), R"({"effort":"medium","summary":"auto"})");
  EXPECT_EQ(member_of(request, "max_output_tokens"), "500");
  EXPECT_EQ(member_of(request, "text"),
            R"({"format":{"type":"json_schema","name":"plan","schema":{"type":"object"},)"
            R"("strict":true}})");
  EXPECT_EQ(member_of(request, "prompt_cache_key", "hearth-1"), R"("hearth-1")");
  EXPECT_EQ(member_of(request, "prompt_cache_key"), "absent");
  request.reasoning = {};
  request.reasoning.enabled = false;
  EXPECT_EQ(member_of(request, "reasoning"), R"({"effort":"none"})");
}

// ---- streams ----

struct Heard {
  Result<void, Failure> outcome;
  std::vector<StreamDelta> deltas;
  Answer answer = Error{};
  bool is_done = false;
};

Heard hear(const std::vector<std::string>& events) {
  Heard heard;
  auto reader = responses_reader(
      target(), [&](const StreamDelta& delta) { heard.deltas.push_back(delta); }, 1 << 20);
  for (const std::string& event : events)
    if (heard.outcome) heard.outcome = reader->hear("", event);
  heard.is_done = reader->is_done();
  heard.answer = reader->finish("openai");
  return heard;
}

const std::vector<std::string> kAnswer = {
    R"({"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress","error":null}})",
    R"({"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}})",
    R"({"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}})",
    R"({"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"First"})",
    R"({"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":1,"part":{"type":"summary_text","text":""}})",
    R"({"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"then"})",
    R"({"type":"response.output_item.done","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"First"}],"encrypted_content":"gAAA=="}})",
    R"({"type":"response.output_item.added","output_index":1,"item":{"id":"msg_1","type":"message","role":"assistant","content":[]}})",
    R"({"type":"response.content_part.added","output_index":1,"content_index":0,"part":{"type":"output_text","text":""}})",
    R"({"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"Hello, "})",
    R"({"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"wörld"})",
    R"({"type":"response.output_text.done","output_index":1,"text":"Hello, wörld"})",
    R"({"type":"response.output_item.done","output_index":1,"item":{"id":"msg_1","type":"message","content":[{"type":"output_text","text":"Hello, wörld"}]}})",
    R"({"type":"response.output_item.added","output_index":2,"item":{"id":"fc_1","type":"function_call","call_id":"call_1","name":"run","arguments":""}})",
    R"({"type":"response.function_call_arguments.delta","output_index":2,"delta":"{\"a\""})",
    R"({"type":"response.function_call_arguments.delta","output_index":2,"delta":":1}"})",
    R"({"type":"response.function_call_arguments.done","output_index":2,"arguments":"{\"a\":1}"})",
    R"({"type":"response.output_item.done","output_index":2,"item":{"id":"fc_1","type":"function_call","call_id":"call_1","name":"run","arguments":"{\"a\":1}"}})",
    R"({"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":8},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":29}}})"};

TEST(ResponsesStream, ItemsBecomeBlocksInTheirOrder) {
  Heard heard = hear(kAnswer);
  ASSERT_TRUE(heard.answer) << heard.answer.error().message;
  EXPECT_TRUE(heard.is_done);
  const auto& blocks = heard.answer->message.blocks;
  ASSERT_EQ(blocks.size(), 4u);
  EXPECT_EQ(std::get<Reasoning>(blocks[0].content).text, "First\n\nthen");
  EXPECT_THAT(std::get<Opaque>(blocks[1].content).part.text, HasSubstr("gAAA=="));
  EXPECT_EQ(std::get<Text>(blocks[2].content).text, "Hello, wörld");
  const auto& call = std::get<ToolCall>(blocks[3].content);
  EXPECT_EQ(call.id, "call_1");
  EXPECT_EQ(call.arguments, R"({"a":1})");
  EXPECT_EQ(heard.answer->finish_reason, FinishReason::tool_calls);
  EXPECT_EQ(heard.answer->usage.n_fresh(), 12u);
}

// What was thought goes back as it came.
TEST(ResponsesStream, AnAnswerReturnsAsItWas) {
  Heard heard = hear(kAnswer);
  ASSERT_TRUE(heard.answer);
  EXPECT_THAT(
      input_of({heard.answer->message}),
      HasSubstr(
          R"({"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"First"}],"encrypted_content":"gAAA=="})"));
}

TEST(ResponsesStream, EveryBeginningOfAStreamIsIncomplete) {
  for (size_t n = 0; n < kAnswer.size(); ++n) {
    Heard heard = hear({kAnswer.begin(), kAnswer.begin() + static_cast<long>(n)});
    ASSERT_FALSE(heard.answer) << n;
    EXPECT_EQ(heard.answer.error().code, Errc::upstream);
  }
  EXPECT_FALSE(hear({"[DONE]"}).answer) << "it proves nothing";
}

TEST(ResponsesStream, ServersThatSendWholeItemsAreUnderstood) {
  Heard heard = hear(
      {R"({"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"Hi"}]}})",
       R"({"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"c","name":"run","arguments":"{}"}})",
       R"({"type":"response.completed","response":{}})"});
  ASSERT_TRUE(heard.answer);
  EXPECT_EQ(text_of(heard.answer->message), "Hi");
  EXPECT_EQ(std::get<ToolCall>(heard.answer->message.blocks[1].content).arguments, "{}");
}

TEST(ResponsesStream, EndsAreTranslated) {
  auto reason = [](std::string_view why) {
    Heard heard =
        hear({R"({"type":"response.incomplete","response":{"incomplete_details":{"reason":")" +
              std::string(why) + R"("}}})"});
    return heard.answer ? heard.answer->finish_reason : FinishReason::cancelled;
  };
  EXPECT_EQ(reason("max_output_tokens"), FinishReason::length);
  EXPECT_EQ(reason("content_filter"), FinishReason::content_filter);
  Heard failed = hear(
      {R"({"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded","message":"slow down"}}})"});
  ASSERT_FALSE(failed.outcome);
  EXPECT_EQ(failed.outcome.error().remedy, Remedy::retry_after);
  Heard error = hear({R"({"type":"error","code":"server_error","message":"boom"})"});
  ASSERT_FALSE(error.outcome);
  EXPECT_EQ(error.outcome.error().code, Errc::upstream);
  EXPECT_THAT(error.outcome.error().message, HasSubstr("boom"));
}

TEST(ResponsesStream, OddEventsDoNoHarm) {
  for (const char* odd : {R"({"type":"response.new_thing"})", R"({"type":7})", "{}", "[]", "7",
                          R"({"type":"response.output_item.added","output_index":-1,"item":[]})",
                          R"({"type":"response.output_item.done"})",
                          R"({"type":"response.output_text.delta","delta":{}})",
                          R"({"type":"response.completed"})"}) {
    std::vector<std::string> events = kAnswer;
    events.insert(events.begin() + 9, odd);
    Heard heard = hear(events);
    ASSERT_TRUE(heard.answer) << odd;
    EXPECT_EQ(text_of(heard.answer->message), "Hello, wörld") << odd;
  }
  EXPECT_FALSE(
      hear({R"({"type":"response.function_call_arguments.delta","output_index":5,"delta":"{"})"})
          .outcome);
}

// ---- tools whose calls are plain text ----

TEST(ResponsesRequest, FreeFormToolsAreCustomToolsAgain) {
  CompletionRequest request;
  request.messages = {
      message(Role::user, Text{"Hi"}),
      message(Role::assistant, ToolCall{"c1", "apply_patch", R"({"input":"*** Begin\n"})"},
              ToolCall{"c2", "run", "{}"}),
      message(Role::tool, ToolResult{"c1", "done", false}),
      message(Role::tool, ToolResult{"c2", "ran", false})};
  ToolSpec patch, run;
  patch.name = "apply_patch";
  patch.description = "edits";
  run.name = "run";
  request.tools = {patch, run};
  request.tool_choice.mode = ToolChoice::Mode::named;
  request.tool_choice.name = "apply_patch";
  OwnWords own;
  own.free_form["apply_patch"].text =
      R"({"type":"grammar","syntax":"lark","definition":"start: x"})";
  auto text = responses_body(target(), row_of("openai-responses").quirks, request, {}, own);
  ASSERT_TRUE(text);
  auto body = json::parse_value(*text);
  auto member = [&](std::string_view name) {
    return boost::json::serialize(body->as_object().at(name));
  };
  EXPECT_THAT(
      member("tools"),
      HasSubstr(
          R"([{"type":"custom","name":"apply_patch","description":"edits","format":{"type":"grammar","syntax":"lark","definition":"start: x"}},{"type":"function","name":"run")"));
  EXPECT_EQ(member("tool_choice"), R"({"type":"custom","name":"apply_patch"})");
  EXPECT_THAT(
      member("input"),
      HasSubstr(
          R"({"type":"custom_tool_call","call_id":"c1","name":"apply_patch","input":"*** Begin\n"},{"type":"function_call","call_id":"c2","name":"run","arguments":"{}"},{"type":"custom_tool_call_output","call_id":"c1","output":"done"},{"type":"function_call_output","call_id":"c2","output":"ran"})"));
  EXPECT_THAT(member_of(request, "tools"), Not(HasSubstr("custom"))) << "nobody's own words";
  Target other = target();
  other.provider = "vllm";
  text = responses_body(other, row_of("openai-responses").quirks, request, {}, own);
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, Not(HasSubstr("custom")));
}

TEST(ResponsesStream, ACallInPlainTextIsOneTextOfACall) {
  const std::string added =
      R"({"type":"response.output_item.added","output_index":0,"item":{"type":"custom_tool_call","call_id":"c","name":"apply_patch","input":""}})";
  const std::string done =
      R"({"type":"response.output_item.done","output_index":0,"item":{"type":"custom_tool_call","call_id":"c","name":"apply_patch","input":"*** \"x\"\n"}})";
  const std::string over = R"({"type":"response.completed","response":{}})";
  auto piece = [](std::string_view text) {
    return R"({"type":"response.custom_tool_call_input.delta","output_index":0,"delta":)" +
           json::quote(text) + "}";
  };
  for (const auto& events :
       std::vector<std::vector<std::string>>{{added, piece("*** \"x"), piece("\"\n"), done, over},
                                             {added, done, over},
                                             {done, over}}) {
    Heard heard = hear(events);
    ASSERT_TRUE(heard.answer) << heard.answer.error().message;
    const auto& call = std::get<ToolCall>(heard.answer->message.blocks.at(0).content);
    EXPECT_EQ(call.name, "apply_patch");
    EXPECT_EQ(call.arguments, R"({"input":"*** \"x\"\n"})");
    EXPECT_EQ(heard.answer->finish_reason, FinishReason::tool_calls);
  }
}

}  // namespace
}  // namespace hearth::router::openai
