// What a canonical request becomes on OpenAI's wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/providers/openai_chat.h"
#include "router/providers/table.h"
#include "support/json.h"

namespace hearth::router::openai {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Target target() {
  Target made;
  made.name = "remote";
  made.kind = TargetKind::api;
  made.provider = "openai";
  made.model = "gpt-x";
  return made;
}

template <class... Contents>
Message message(Role role, Contents... contents) {
  Message made;
  made.role = role;
  (made.blocks.emplace_back(Block{std::move(contents), {}, {}, {}}), ...);
  return made;
}

std::string body_of(const CompletionRequest& request, std::string_view provider = "acme") {
  auto body = chat_body(target(), row_of(provider).quirks, request);
  EXPECT_TRUE(body);
  return body ? *body : "";
}

// One member of the body, as JSON text.
std::string member_of(const CompletionRequest& request, std::string_view name,
                      std::string_view provider = "acme") {
  auto body = json::parse_value(body_of(request, provider));
  auto* member = body->as_object().if_contains(name);
  return member ? boost::json::serialize(*member) : "absent";
}

// The messages alone, as JSON text.
std::string messages_of(std::vector<Message> messages) {
  CompletionRequest request;
  request.messages = std::move(messages);
  auto body = json::parse_value(body_of(request));
  EXPECT_TRUE(body);
  return boost::json::serialize(body->at("messages"));
}

TEST(OpenAiRequest, IsAStreamThatReportsItsUsage) {
  CompletionRequest request;
  request.messages = {message(Role::user, Text{"Hi"})};
  EXPECT_EQ(body_of(request),
            R"({"model":"gpt-x","messages":[{"role":"user","content":"Hi"}],"stream":true,)"
            R"("stream_options":{"include_usage":true}})");
}

TEST(OpenAiRequest, RolesAndTextStayAsTheyAre) {
  EXPECT_EQ(
      messages_of({message(Role::system, Text{"Be\n\"kind\"\\ \x01é"}),
                   message(Role::developer, Text{"d"}), message(Role::user, Text{"a"}, Text{"b"}),
                   message(Role::assistant, Text{"c"})}),
      R"([{"role":"system","content":"Be\n\"kind\"\\ \u0001é"},{"role":"developer","content":"d"},)"
      R"({"role":"user","content":"ab"},{"role":"assistant","content":"c"}])");
}

TEST(OpenAiRequest, ImagesTurnContentIntoParts) {
  EXPECT_EQ(
      messages_of({message(Role::user, Text{"see"}, Image{"data:image/png;base64,AA==", "low"},
                           Image{"https://x/y.png", ""})}),
      R"([{"role":"user","content":[{"type":"text","text":"see"},)"
      R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"low"}},)"
      R"({"type":"image_url","image_url":{"url":"https://x/y.png"}}]}])");
}

TEST(OpenAiRequest, ToolCallsKeepTheRawTextOfTheirArguments) {
  EXPECT_EQ(messages_of({message(Role::assistant, ToolCall{"c1", "run", "{\"a\": 1,}"},
                                 ToolCall{"c2", "ls", ""})}),
            R"([{"role":"assistant","content":null,"tool_calls":[)"
            R"({"id":"c1","type":"function","function":{"name":"run","arguments":"{\"a\": 1,}"}},)"
            R"({"id":"c2","type":"function","function":{"name":"ls","arguments":""}}]}])");
  EXPECT_THAT(
      messages_of({message(Role::assistant, Text{"Let me look"}, ToolCall{"c", "ls", "{}"})}),
      HasSubstr(R"("content":"Let me look","tool_calls")"));
}

TEST(OpenAiRequest, AnAssistantMayHaveImagesAndCalls) {
  EXPECT_THAT(messages_of({message(Role::assistant, Image{"https://x/y.png", ""},
                                   ToolCall{"c", "ls", "{}"})}),
              HasSubstr(R"("content":[{"type":"image_url")"));
}

TEST(OpenAiRequest, EachToolResultIsAMessage) {
  EXPECT_EQ(
      messages_of(
          {message(Role::tool, ToolResult{"c1", "out", false}, ToolResult{"c2", "bad", true})}),
      R"([{"role":"tool","tool_call_id":"c1","content":"out"},{"role":"tool","tool_call_id":"c2","content":"bad"}])");
}

TEST(OpenAiRequest, ImagesOfToolResultsFollowAsTheUsers) {
  EXPECT_EQ(
      messages_of({message(Role::tool, ToolResult{"c1", "a picture", false},
                           Image{"https://x/y.png", ""})}),
      R"([{"role":"tool","tool_call_id":"c1","content":"a picture"},)"
      R"({"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}])");
}

TEST(OpenAiRequest, ReasoningAndForeignPartsStayAtHome) {
  std::string sent =
      messages_of({message(Role::assistant, Reasoning{"secret thought", "sig"},
                           Opaque{"anthropic", {"{\"x\":\"foreign\"}"}}, Text{"answer"})});
  EXPECT_EQ(sent, R"([{"role":"assistant","content":"answer"}])");
}

TEST(OpenAiRequest, LabelsSourcesTokensAndIdsNeverLeave) {
  Message made = message(Role::user, Text{"hello"});
  made.id = "canary-id";
  made.model = "canary-model";
  made.blocks[0].labels = {"canary-label"};
  made.blocks[0].source = Source{"canary/path", "canary-repo", "canary-tool"};
  made.blocks[0].tokens = {424242};
  std::string sent = messages_of({made});
  EXPECT_THAT(sent, Not(HasSubstr("canary")));
  EXPECT_THAT(sent, Not(HasSubstr("424242")));
  EXPECT_EQ(sent, R"([{"role":"user","content":"hello"}])");
}

TEST(OpenAiRequest, TheSpeakersNamePasses) {
  Message made = message(Role::user, Text{"x"});
  made.name = "ada";
  EXPECT_EQ(messages_of({made}), R"([{"role":"user","content":"x","name":"ada"}])");
}

TEST(OpenAiRequest, SendsWhatTheWireHasOfSampling) {
  CompletionRequest request;
  request.sampling.temperature = 0.7f;
  request.sampling.top_p = 0.95f;
  request.sampling.presence_penalty = -0.1f;
  request.sampling.frequency_penalty = 2;
  request.sampling.seed = 18446744073709551615u;
  request.sampling.top_k = 40;  // not on this wire
  request.sampling.min_p = 0.05f;
  request.max_tokens = 100;
  request.stop = {"\n", "END"};
  EXPECT_THAT(
      body_of(request),
      HasSubstr(
          R"("max_tokens":100,"stop":["\n","END"],"temperature":7E-1,"top_p":9.5E-1,)"
          R"("presence_penalty":-1E-1,"frequency_penalty":2E0,"seed":18446744073709551615})"));
  EXPECT_THAT(body_of(request), Not(HasSubstr("top_k")));
  EXPECT_THAT(body_of(request), Not(HasSubstr("min_p")));
}

TEST(OpenAiRequest, SendsToEachWhatItsSamplerKnows) {
  CompletionRequest request;
  request.sampling.top_k = 40;
  request.sampling.min_p = 0.05f;
  request.sampling.repeat_penalty = 1.1f;
  request.sampling.logit_bias = {{7, -100}, {9, 0.5f}};
  EXPECT_EQ(member_of(request, "logit_bias"), R"({"7":-1E2,"9":5E-1})");
  EXPECT_EQ(member_of(request, "top_k", "vllm"), "40");
  EXPECT_EQ(member_of(request, "min_p", "openrouter"), "5E-2");
  EXPECT_EQ(member_of(request, "repetition_penalty", "vllm"), "1.1E0");
  EXPECT_EQ(member_of(request, "repeat_penalty", "llama-server"), "1.1E0");
  request.max_tokens = 5;
  EXPECT_EQ(member_of(request, "max_completion_tokens", "openai"), "5");
  EXPECT_EQ(member_of(request, "max_tokens", "openai"), "absent");
}

TEST(OpenAiRequest, ToolsCarryTheirSchemaAndChoice) {
  using Mode = ToolChoice::Mode;
  CompletionRequest request;
  request.tools = {{"run", "Runs it", {R"({"type":"object","properties":{}})"}}};
  auto choice = [&](Mode mode) {
    request.tool_choice = {mode, mode == Mode::named ? "run" : "", std::nullopt};
    return member_of(request, "tool_choice");
  };
  EXPECT_EQ(choice(Mode::automatic), "absent");
  EXPECT_EQ(choice(Mode::required), "\"required\"");
  EXPECT_EQ(choice(Mode::none), "\"none\"");
  EXPECT_EQ(choice(Mode::named), R"({"type":"function","function":{"name":"run"}})");
  EXPECT_EQ(member_of(request, "tools"),
            R"([{"type":"function","function":{"name":"run","description":"Runs it",)"
            R"("parameters":{"type":"object","properties":{}}}}])");
  request.tool_choice.parallel = false;
  EXPECT_EQ(member_of(request, "parallel_tool_calls"), "false");
}

TEST(OpenAiRequest, AFormatIsDemandedAsTheWireHasIt) {
  CompletionRequest request;
  EXPECT_EQ(member_of(request, "response_format"), "absent");
  request.response_format.kind = ResponseFormat::Kind::json_object;
  EXPECT_EQ(member_of(request, "response_format"), R"({"type":"json_object"})");
  request.response_format = {ResponseFormat::Kind::json_schema, "n", {R"({"a":1})"}, "", true};
  EXPECT_EQ(member_of(request, "response_format"),
            R"({"type":"json_schema","json_schema":{"name":"n","schema":{"a":1},"strict":true}})");
}

TEST(OpenAiRequest, EachProviderIsToldOfReasoningInItsOwnWords) {
  CompletionRequest request;
  for (const char* field : {"reasoning_effort", "thinking", "reasoning", "chat_template_kwargs"})
    EXPECT_EQ(member_of(request, field), "absent");
  request.reasoning.effort = Effort::low;
  EXPECT_EQ(member_of(request, "reasoning_effort"), "\"low\"");
  EXPECT_EQ(member_of(request, "thinking", "deepseek"), R"({"type":"enabled"})");
  EXPECT_EQ(member_of(request, "reasoning", "openrouter"), R"({"enabled":true,"effort":"low"})");
  EXPECT_EQ(member_of(request, "chat_template_kwargs", "vllm"),
            R"({"enable_thinking":true,"reasoning_effort":"low"})");
  request.reasoning = {};
  request.reasoning.budget_tokens = 10'000;
  EXPECT_EQ(member_of(request, "reasoning_effort"), "\"medium\"");
  EXPECT_EQ(member_of(request, "thinking_budget", "dashscope"), "10000");
  EXPECT_EQ(member_of(request, "reasoning", "openrouter"),
            R"({"enabled":true,"max_tokens":10000})");
  request.reasoning = {};
  request.reasoning.enabled = false;
  EXPECT_EQ(member_of(request, "reasoning_effort"), "\"none\"");
  EXPECT_EQ(member_of(request, "enable_thinking", "dashscope"), "false");
  EXPECT_EQ(member_of(request, "thinking", "zai"), R"({"type":"disabled"})");
}

TEST(OpenAiRequest, TemplateVariablesGoOverWhatWasDerived) {
  CompletionRequest request;
  request.reasoning.effort = Effort::low;
  request.template_variables.text = R"({"enable_thinking":false,"k":[1]})";
  EXPECT_EQ(member_of(request, "chat_template_kwargs", "vllm"),
            R"({"enable_thinking":false,"reasoning_effort":"low","k":[1]})");
}

TEST(OpenAiRequest, ThoughtsGoBackToThoseWhoWantThem) {
  CompletionRequest request;
  request.messages = {message(Role::assistant, Reasoning{"hm", {}}, ToolCall{"c", "ls", "{}"})};
  EXPECT_THAT(member_of(request, "messages"), Not(HasSubstr("hm")));
  EXPECT_THAT(member_of(request, "messages", "deepseek"), HasSubstr(R"("reasoning_content":"hm")"));
}

}  // namespace
}  // namespace hearth::router::openai
