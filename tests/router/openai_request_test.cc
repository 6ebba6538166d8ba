// What a canonical request becomes on OpenAI's wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/providers/openai_wire.h"

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

std::string body_of(const CompletionRequest& request) { return chat_body(target(), request); }

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

TEST(OpenAiRequest, ToolsCarryTheirSchemaAndChoice) {
  CompletionRequest request;
  request.tools = {{"run", "Runs it", {R"({"type":"object","properties":{}})"}}};
  auto choice = [&](std::string text) {
    request.tool_choice.text = std::move(text);
    auto body = json::parse_value(body_of(request));
    auto* sent = body->as_object().if_contains("tool_choice");
    return sent ? boost::json::serialize(*sent) : "absent";
  };
  EXPECT_EQ(choice(""), "absent");
  EXPECT_EQ(choice("\"required\""), "\"required\"");
  EXPECT_EQ(choice(R"({"name":"run"})"), R"({"type":"function","function":{"name":"run"}})");
  EXPECT_EQ(choice(R"({"type":"function","function":{"name":"run"}})"),
            R"({"type":"function","function":{"name":"run"}})");
  EXPECT_THAT(
      body_of(request),
      HasSubstr(R"("tools":[{"type":"function","function":{"name":"run",)"
                R"("description":"Runs it","parameters":{"type":"object","properties":{}}}}])"));
}

TEST(OpenAiRequest, ReasoningEffortPassesAndOtherTemplateVariablesDoNot) {
  CompletionRequest request;
  request.template_variables.text = R"({"reasoning_effort":"low","enable_thinking":false})";
  EXPECT_THAT(body_of(request), HasSubstr(R"("reasoning_effort":"low")"));
  EXPECT_THAT(body_of(request), Not(HasSubstr("enable_thinking")));
}

}  // namespace
}  // namespace hearth::router::openai
