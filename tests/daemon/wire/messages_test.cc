// Anthropic's wire; requests and events as its public documentation shows them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/wire/sse_events.h"
#include "wire/anthropic.h"
#include "wire/parts.h"

namespace hearth::wire::anthropic {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Asked ask(std::string_view fields) {
  auto asked = parse_messages(fmt::format(R"({{"model":"m","max_tokens":64,{}}})", fields));
  EXPECT_TRUE(asked) << asked.error().message;
  return asked ? std::move(*asked) : Asked{};
}

std::string error_of(std::string_view body) {
  auto asked = parse_messages(body);
  return asked ? "" : asked.error().message;
}

const Head kHead{"msg_1", 1700000000, "m", 0, 0};
constexpr std::string_view kHi = R"("messages":[{"role":"user","content":"Hi"}])";

template <class T>
const T& part(const Message& message, size_t index) {
  return std::get<T>(message.blocks.at(index).content);
}

TEST(Messages, ReadsAPlainConversation) {
  Asked asked = ask(R"("system":"be brief","stream":true,"temperature":0.5,"top_k":5,"top_p":0.9,
    "stop_sequences":["END"],"metadata":{"user_id":"u"},"betas":["x"],"unknown":{"a":1},
    "context_management":{"edits":[]},
    "messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"text","text":"Yes"}]},
                {"role":"system","content":"now in French"},{"role":"user","content":"go on"}])");
  const auto& messages = asked.body.messages;
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages[0].role, Role::system);
  EXPECT_EQ(text_of(messages[0]), "be brief");
  EXPECT_EQ(messages[2].role, Role::assistant);
  EXPECT_EQ(messages[3].role, Role::system) << "a later instruction keeps its place";
  EXPECT_EQ(text_of(messages[4]), "go on");
  EXPECT_TRUE(asked.is_stream);
  EXPECT_EQ(asked.body.max_tokens, 64u);
  EXPECT_EQ(asked.body.sampling.top_k, 5u);
  EXPECT_THAT(asked.body.stop, ElementsAre("END"));
  EXPECT_EQ(asked.own_user, "u");
}

TEST(Messages, LeavesOutWhatClaudeCodeTellsItsMakersBilling) {
  Asked asked = ask(fmt::format(
      R"({},"system":[{{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1;"}},
    {{"type":"text","text":"be brief"}}])",
      kHi));
  ASSERT_EQ(asked.body.messages[0].blocks.size(), 1u);
  EXPECT_EQ(text_of(asked.body.messages[0]), "be brief");
}

TEST(Messages, ReadsTheSessionThatClaudeCodeNames) {
  auto session = [](std::string_view user) {
    return ask(fmt::format(R"({},"metadata":{{"user_id":{}}})", kHi, json::quote(user))).session;
  };
  EXPECT_EQ(session(R"({"device_id":"d","session_id":"s-1"})"), "s-1");
  EXPECT_EQ(session("user_a_account__session_s-2"), "s-2");
  EXPECT_EQ(session("somebody"), "") << "a person is no conversation";
}

TEST(Messages, KeepsCacheBreakpointsWhereTheyStand) {
  Asked asked = ask(R"(
    "system":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral","ttl":"1h"}}],
    "tools":[{"name":"f","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}],
    "messages":[{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r","cache_control":{"type":"ephemeral"}}]}])");
  EXPECT_EQ(asked.body.messages[0].blocks[0].cache, "");
  EXPECT_EQ(asked.body.messages[0].blocks[1].cache, "1h");
  EXPECT_EQ(asked.body.tools[0].cache, "5m");
  EXPECT_EQ(asked.body.messages[1].blocks[0].cache, "5m");
  EXPECT_EQ(asked.body.messages[2].blocks[0].cache, "5m");
}

TEST(Messages, ReadsCallsAndTheirResults) {
  Asked asked = ask(R"("messages":[
    {"role":"user","content":"weather?"},
    {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"EqQB"},
      {"type":"redacted_thinking","data":"Zm9v"},
      {"type":"text","text":"I look."},
      {"type":"tool_use","id":"toolu_1","name":"get_weather","input":{"city":"Paris"}},
      {"type":"tool_use","id":"toolu_2","name":"get_time","input":{}}]},
    {"role":"user","content":[
      {"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"15"},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]},
      {"type":"tool_result","tool_use_id":"toolu_2","content":"no clock","is_error":true},
      {"type":"text","text":"and?"},
      {"type":"image","source":{"type":"url","url":"https://x/y.png"}}]}])");
  const auto& messages = asked.body.messages;
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(part<Reasoning>(messages[1], 0).text, "hm");
  EXPECT_EQ(part<Opaque>(messages[1], 1).part.text, R"({"type":"thinking","signature":"EqQB"})");
  EXPECT_EQ(part<Opaque>(messages[1], 2).part.text,
            R"({"type":"redacted_thinking","data":"Zm9v"})");
  EXPECT_EQ(part<ToolCall>(messages[1], 4).arguments, R"({"city":"Paris"})");
  EXPECT_EQ(messages[2].role, Role::tool);
  EXPECT_EQ(part<ToolResult>(messages[2], 0).call_id, "toolu_1");
  EXPECT_EQ(part<ToolResult>(messages[2], 0).text, "15");
  EXPECT_EQ(messages[2].blocks[0].source->tool, "get_weather") << "labels are decided on it";
  EXPECT_EQ(part<Image>(messages[2], 1).url, "data:image/png;base64,aGk=");
  EXPECT_TRUE(part<ToolResult>(messages[3], 0).is_error);
  EXPECT_EQ(messages[4].role, Role::user);
  EXPECT_EQ(part<Image>(messages[4], 1).url, "https://x/y.png");
}

TEST(Messages, ReadsToolsAndWhetherTheyMustBeCalled) {
  using Mode = ToolChoice::Mode;
  auto choice = [](std::string_view text) {
    return ask(fmt::format(
                   R"({},"tools":[{{"name":"f","description":"d","input_schema":{{"z":1,"a":2}}}}],
      "tool_choice":{})",
                   kHi, text))
        .body.tool_choice;
  };
  EXPECT_EQ(choice(R"({"type":"auto"})").mode, Mode::automatic);
  EXPECT_EQ(choice(R"({"type":"any","disable_parallel_tool_use":true})").mode, Mode::required);
  EXPECT_EQ(choice(R"({"type":"any","disable_parallel_tool_use":true})").parallel, false);
  EXPECT_EQ(choice(R"({"type":"none"})").mode, Mode::none);
  EXPECT_EQ(choice(R"({"type":"tool","name":"f"})").name, "f");
  Asked asked = ask(fmt::format(
      R"({},"tools":[{{"name":"f","input_schema":{{"z":1,"a":2}}}},{{"type":"web_search_20250305","name":"web_search"}}])",
      kHi));
  EXPECT_EQ(asked.body.tools[0].parameters.text, R"({"z":1,"a":2})") << "as it was written";
  EXPECT_THAT(asked.left_out, ElementsAre("tools.1: web_search_20250305"));
  EXPECT_THAT(
      error_of(fmt::format(
          R"({{"model":"m","max_tokens":1,{},"tools":[{{"type":"web_search_20250305","name":"web_search"}}],
          "tool_choice":{{"type":"tool","name":"web_search"}}}})",
          kHi)),
      HasSubstr("not here"));
}

TEST(Messages, ReadsHowMuchToThinkAndWhatTheAnswerMustBe) {
  auto body = [](std::string_view fields) { return ask(fmt::format("{},{}", kHi, fields)).body; };
  EXPECT_EQ(body(R"("thinking":{"type":"enabled","budget_tokens":2000})").reasoning.budget_tokens,
            2000u);
  EXPECT_EQ(
      body(R"("thinking":{"type":"adaptive"},"output_config":{"effort":"high"})").reasoning.effort,
      Effort::high);
  EXPECT_TRUE(body(R"("thinking":{"type":"disabled"})").reasoning.is_off());
  EXPECT_EQ(body(R"("output_config":{"format":{"type":"json_schema","schema":{"b":1}}})")
                .response_format.schema.text,
            R"({"b":1})");
}

TEST(Messages, NamesWhatIsWrong) {
  EXPECT_EQ(error_of(R"({"model":"m","messages":[{"role":"user","content":"x"}]})"),
            "max_tokens: Field required");
  EXPECT_EQ(error_of(R"({"max_tokens":1,"messages":[]})"), "model: Field required");
  EXPECT_EQ(error_of(R"({"model":"m","max_tokens":1})"), "messages: Field required");
  EXPECT_THAT(
      error_of(R"({"model":"m","max_tokens":1,"messages":[{"role":"tool","content":"x"}]})"),
      HasSubstr("messages.0.role: expected"));
  EXPECT_THAT(
      error_of(
          R"({"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"video"}]}]})"),
      HasSubstr("messages.0.content.0.type"));
  EXPECT_THAT(error_of("{"), HasSubstr("not valid JSON"));
  EXPECT_TRUE(parse_count(R"({"model":"m","messages":[{"role":"user","content":"x"}]})"))
      << "counting needs no bound";
}

Completion answer(std::vector<StreamDelta> deltas, FinishReason reason = FinishReason::stop) {
  Completion completion;
  completion.message.role = Role::assistant;
  for (const StreamDelta& delta : deltas) append(completion.message, delta);
  completion.finish_reason = reason;
  completion.usage.n_prompt = 1325;
  completion.usage.n_cached = 1000;
  completion.usage.n_cache_write = 200;
  completion.usage.n_cache_write_1h = 100;
  completion.usage.n_completion = 89;
  return completion;
}

StreamDelta say(StreamDelta::Kind kind, std::string text) {
  StreamDelta delta;
  delta.kind = kind;
  delta.text = std::move(text);
  return delta;
}

std::vector<StreamDelta> thinks_and_calls() {
  using Kind = StreamDelta::Kind;
  StreamDelta sign = say(Kind::opaque, R"({"type":"thinking","signature":"EqQB"})");
  sign.provider = "anthropic";
  StreamDelta first = say(Kind::tool_call, "");
  first.tool_id = "toolu_1";
  first.tool_name = "get_weather";
  return {say(Kind::reasoning, "Let me"),
          say(Kind::reasoning, " see."),
          sign,
          say(Kind::text, "Hello"),
          first,
          say(Kind::tool_call, "{\"city\":"),
          say(Kind::tool_call, "\"Paris\"}")};
}

TEST(Messages, StreamsBlocksAsTheDocumentationShowsThem) {
  const auto deltas = thinks_and_calls();
  Asked asked = ask(kHi);
  const auto events = read_events(streamed(*asked.shape, {"msg_1", 0, "m", 30, 10}, deltas,
                                           answer(deltas, FinishReason::tool_calls)));
  EXPECT_EQ(names_of(events),
            "message_start "
            "content_block_start content_block_delta content_block_delta content_block_delta "
            "content_block_stop "
            "content_block_start content_block_delta content_block_stop "
            "content_block_start content_block_delta content_block_delta content_block_stop "
            "message_delta message_stop");
  for (const SentEvent& event : events) EXPECT_EQ(event.data.at("type"), json::Value(event.name));
  auto text = [&](size_t i) { return boost::json::serialize(events.at(i).data); };
  EXPECT_EQ(events[0].data.at("message").at("usage").at("input_tokens").to_number<int>(), 20);
  EXPECT_EQ(
      text(1),
      R"({"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}})");
  EXPECT_EQ(
      text(2),
      R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me"}})");
  EXPECT_EQ(
      text(4),
      R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB"}})");
  EXPECT_EQ(text(5), R"({"type":"content_block_stop","index":0})");
  EXPECT_EQ(
      text(9),
      R"({"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{}}})");
  EXPECT_EQ(
      text(10),
      R"({"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}})");
  const auto& last = events[13].data;
  EXPECT_EQ(boost::json::serialize(last.at("delta")),
            R"({"stop_reason":"tool_use","stop_sequence":null})");
  EXPECT_EQ(last.at("usage").at("input_tokens").to_number<int>(), 25) << "without what was cached";
  EXPECT_EQ(last.at("usage").at("cache_read_input_tokens").to_number<int>(), 1000);
  EXPECT_EQ(last.at("usage").at("cache_creation_input_tokens").to_number<int>(), 300);
  EXPECT_EQ(last.at("usage").at("output_tokens").to_number<int>(), 89);
  EXPECT_EQ(text(14), R"({"type":"message_stop"})");
}

TEST(Messages, AWholeAnswerHoldsWhatItsStreamWouldHave) {
  Asked asked = ask(kHi);
  auto body = json::parse_value(
      asked.shape->whole(kHead, answer(thinks_and_calls(), FinishReason::tool_calls)));
  ASSERT_TRUE(body);
  EXPECT_EQ(boost::json::serialize(body->at("content")),
            R"([{"type":"thinking","thinking":"Let me see.","signature":"EqQB"},)"
            R"({"type":"text","text":"Hello"},)"
            R"({"type":"tool_use","id":"toolu_1","name":"get_weather","input":{"city":"Paris"}}])");
  EXPECT_EQ(body->at("stop_reason"), "tool_use");
  EXPECT_EQ(body->at("type"), "message");
  EXPECT_EQ(body->at("role"), "assistant");
}

TEST(Messages, AThoughtThatAnotherProviderEncryptedComesBackUnchanged) {
  StreamDelta foreign =
      say(StreamDelta::Kind::opaque, R"({"type":"reasoning","encrypted_content":"x:y"})");
  foreign.provider = "openai";
  Asked asked = ask(kHi);
  auto body = json::parse_value(asked.shape->whole(kHead, answer({foreign})));
  ASSERT_TRUE(body);
  Asked again = ask(fmt::format(R"("messages":[{{"role":"assistant","content":{}}}])",
                                boost::json::serialize(body->at("content"))));
  const Opaque& opaque = part<Opaque>(again.body.messages[0], 0);
  EXPECT_EQ(opaque.provider, "openai");
  EXPECT_EQ(opaque.part.text, foreign.text);
}

TEST(Messages, SaysWhyAnAnswerEnded) {
  auto reason = [](FinishReason finish, std::optional<std::string> stop = {}) {
    Asked asked = ask(fmt::format(R"({},"stop_sequences":["END"])", kHi));
    Completion completion = answer({}, finish);
    completion.stop_string = std::move(stop);
    auto body = json::parse_value(asked.shape->whole(kHead, completion));
    return boost::json::serialize(body->at("stop_reason")) +
           boost::json::serialize(body->at("stop_sequence"));
  };
  EXPECT_EQ(reason(FinishReason::stop), R"("end_turn"null)");
  EXPECT_EQ(reason(FinishReason::stop, "END"), R"("stop_sequence""END")");
  EXPECT_EQ(reason(FinishReason::stop, "<eot>"), R"("end_turn"null)") << "the model's own end";
  EXPECT_EQ(reason(FinishReason::length), R"("max_tokens"null)");
  EXPECT_EQ(reason(FinishReason::content_filter), R"("refusal"null)");
}

Failure failed(Errc code, long status = 0) {
  Failure failure = Error{code, "why"};
  failure.http_status = status;
  if (status) failure.speaker = "acme";
  return failure;
}

TEST(Messages, ErrorsHaveTheWiresStatusAndType) {
  struct Case {
    Failure failure;
    int status;
    std::string_view type;
  };
  for (const Case& each : {Case{failed(Errc::invalid), 400, "invalid_request_error"},
                           {failed(Errc::denied), 403, "permission_error"},
                           {failed(Errc::denied, 401), 403, "permission_error"},
                           {failed(Errc::not_found), 404, "not_found_error"},
                           {failed(Errc::over_budget), 402, "billing_error"},
                           {failed(Errc::busy, 429), 429, "rate_limit_error"},
                           {failed(Errc::busy, 529), 529, "overloaded_error"},
                           {failed(Errc::busy), 529, "overloaded_error"},
                           {failed(Errc::timeout), 504, "timeout_error"},
                           {failed(Errc::invalid, 413), 413, "request_too_large"},
                           {failed(Errc::upstream, 502), 500, "api_error"},
                           {failed(Errc::corrupt), 500, "api_error"}}) {
    ErrorReply reply = error_reply(each.failure, "req-1");
    EXPECT_EQ(reply.status, each.status) << each.type;
    auto body = json::parse_value(reply.body);
    ASSERT_TRUE(body);
    EXPECT_EQ(body->at("type"), "error");
    EXPECT_EQ(body->at("error").at("type"), json::Value(each.type));
    EXPECT_EQ(body->at("request_id"), "req-1");
  }
}

TEST(Messages, APromptThatIsTooLongIsToldInTheWordsThatClientsShrinkBy) {
  Failure failure = failed(Errc::context_exceeded);
  failure.n_prompt = 208310;
  failure.n_context = 200000;
  ErrorReply reply = error_reply(failure, "");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body,
              HasSubstr(R"("message":"prompt is too long: 208310 tokens > 200000 maximum")"));
  std::string out;
  ask(kHi).shape->fail(kHead, failure, out);
  const auto events = read_events(out);
  EXPECT_EQ(names_of(events), "error") << "behind the first byte it is an event";
  EXPECT_EQ(events[0].data.at("error").at("type"), "invalid_request_error");
}

}  // namespace
}  // namespace hearth::wire::anthropic
