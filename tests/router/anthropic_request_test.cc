// What a canonical request becomes on Anthropic's wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/providers/anthropic.h"
#include "support/json.h"

namespace hearth::router::anthropic {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

template <class... Contents>
Message message(Role role, Contents... contents) {
  Message made;
  made.role = role;
  (made.blocks.emplace_back(Block{std::move(contents), {}, {}, {}}), ...);
  return made;
}

json::Value body_of(const CompletionRequest& request, std::string model = "claude-sonnet-5") {
  Target target;
  target.kind = TargetKind::api;
  target.provider = "anthropic";
  target.model = std::move(model);
  auto text = messages_body(target, {}, request);
  EXPECT_TRUE(text) << text.error().message;
  auto body = json::parse_value(text ? *text : "{}");
  EXPECT_TRUE(body);
  return *body;
}

// One member as JSON text.
std::string member_of(const CompletionRequest& request, std::string_view name,
                      std::string model = "claude-sonnet-5") {
  json::Value body = body_of(request, std::move(model));
  auto* member = body.as_object().if_contains(name);
  return member ? boost::json::serialize(*member) : "absent";
}

std::string messages_of(std::vector<Message> messages) {
  CompletionRequest request;
  request.messages = std::move(messages);
  return member_of(request, "messages");
}

TEST(AnthropicRequest, IsAStreamWithABound) {
  CompletionRequest request;
  request.messages = {message(Role::user, Text{"Hi"})};
  EXPECT_EQ(boost::json::serialize(body_of(request)),
            R"({"model":"claude-sonnet-5","max_tokens":8192,"messages":[{"role":"user",)"
            R"("content":[{"type":"text","text":"Hi"}]}],"stream":true})");
  request.max_tokens = 7;
  EXPECT_EQ(member_of(request, "max_tokens"), "7");
}

TEST(AnthropicRequest, TheFirstInstructionsAreTheSystems) {
  CompletionRequest request;
  request.messages = {message(Role::system, Text{"Be brief"}), message(Role::developer, Text{"d"}),
                      message(Role::user, Text{"a"}), message(Role::system, Text{"later"})};
  EXPECT_EQ(member_of(request, "system"),
            R"([{"type":"text","text":"Be brief"},{"type":"text","text":"d"}])");
  EXPECT_EQ(member_of(request, "messages"),
            R"([{"role":"user","content":[{"type":"text","text":"a"},)"
            R"({"type":"text","text":"later"}]}])");
}

TEST(AnthropicRequest, BlankTextIsLeftOutAndTheLastTurnEndsInAWord) {
  EXPECT_EQ(messages_of({message(Role::user, Text{"a"}, Text{" \n"}),
                         message(Role::assistant, Text{""}), message(Role::user, Text{"b"})}),
            R"([{"role":"user","content":[{"type":"text","text":"a"}]},)"
            R"({"role":"user","content":[{"type":"text","text":"b"}]}])");
  EXPECT_THAT(messages_of({message(Role::user, Text{"a"}), message(Role::assistant, Text{"b \n"})}),
              HasSubstr(R"({"type":"text","text":"b"}]}])"));
}

TEST(AnthropicRequest, ImagesAreBytesOrAddresses) {
  EXPECT_EQ(messages_of({message(Role::user, Image{"data:image/png;base64,AA==", "low"},
                                 Image{"https://x/y.png", ""})}),
            R"([{"role":"user","content":[{"type":"image","source":{"type":"base64",)"
            R"("media_type":"image/png","data":"AA=="}},)"
            R"({"type":"image","source":{"type":"url","url":"https://x/y.png"}}]}])");
  CompletionRequest request;
  request.messages = {message(Role::user, Image{"file:///x.png", ""})};
  auto body = messages_body(Target{}, {}, request);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code, Errc::unsupported);
}

TEST(AnthropicRequest, CallsAndResultsAreOneTurnEach) {
  EXPECT_EQ(
      messages_of({message(Role::user, Text{"go"}),
                   message(Role::assistant, Text{"ok"}, ToolCall{"c:1", "run", "{\"a\": 1}"},
                           ToolCall{"c2", "ls", ""}),
                   message(Role::tool, ToolResult{"c:1", "out", false}),
                   message(Role::tool, ToolResult{"c2", "", true}, Image{"https://x/y.png", ""}),
                   message(Role::user, Text{"next"})}),
      R"([{"role":"user","content":[{"type":"text","text":"go"}]},)"
      R"({"role":"assistant","content":[{"type":"text","text":"ok"},)"
      R"({"type":"tool_use","id":"c_1","name":"run","input":{"a":1}},)"
      R"({"type":"tool_use","id":"c2","name":"ls","input":{}}]},)"
      R"({"role":"user","content":[)"
      R"({"type":"tool_result","tool_use_id":"c_1","content":[{"type":"text","text":"out"}]},)"
      R"({"type":"tool_result","tool_use_id":"c2","content":[)"
      R"({"type":"image","source":{"type":"url","url":"https://x/y.png"}}],"is_error":true},)"
      R"({"type":"text","text":"next"}]}])");
}

TEST(AnthropicRequest, ArgumentsThatAreNoObjectStayReadable) {
  for (const char* arguments : {"{\"a\":", "[1]", "7"})
    EXPECT_THAT(messages_of({message(Role::assistant, ToolCall{"c", "run", arguments})}),
                HasSubstr(R"("input":{"arguments":)"));
}

TEST(AnthropicRequest, ThoughtsReturnWithTheirSignatureOrNotAtAll) {
  const Reasoning thought{"Let me see.", {}};
  const Opaque signature{"anthropic", {R"({"type":"thinking","signature":"EqQB"})"}};
  const Opaque redacted{"anthropic", {R"({"type":"redacted_thinking","data":"x"})"}};
  const ToolCall call{"c", "ls", "{}"};
  EXPECT_EQ(messages_of({message(Role::assistant, thought, signature, redacted, call)}),
            R"([{"role":"assistant","content":[)"
            R"({"type":"thinking","signature":"EqQB","thinking":"Let me see."},)"
            R"({"type":"redacted_thinking","data":"x"},)"
            R"({"type":"tool_use","id":"c","name":"ls","input":{}}]}])");
  const Opaque foreign{"acme", {R"({"type":"thinking","signature":"s"})"}};
  EXPECT_THAT(messages_of({message(Role::assistant, thought, foreign, call)}),
              Not(HasSubstr("think")));
  EXPECT_THAT(messages_of({message(Role::assistant, thought, call)}), Not(HasSubstr("think")));
}

TEST(AnthropicRequest, LabelsSourcesTokensAndIdsNeverLeave) {
  Message made = message(Role::user, Text{"hello"});
  made.id = "canary-id";
  made.name = "canary-name";
  made.model = "canary-model";
  made.blocks[0].labels = {"canary-label"};
  made.blocks[0].source = Source{"canary/path", "canary-repo", "canary-tool"};
  made.blocks[0].tokens = {424242};
  EXPECT_EQ(messages_of({made}), R"([{"role":"user","content":[{"type":"text","text":"hello"}]}])");
}

TEST(AnthropicRequest, ToolsCarryTheirSchemaAndChoice) {
  using Mode = ToolChoice::Mode;
  CompletionRequest request;
  request.tools = {{"run", "Runs it", {R"({"type":"object","properties":{"z":{}}})"}},
                   {"ls", "", {}}};
  EXPECT_EQ(member_of(request, "tools"),
            R"([{"name":"run","description":"Runs it",)"
            R"("input_schema":{"type":"object","properties":{"z":{}}}},)"
            R"({"name":"ls","input_schema":{"type":"object","properties":{}}}])");
  auto choice = [&](Mode mode, std::optional<bool> parallel = {}) {
    request.tool_choice = {mode, "run", parallel};
    return member_of(request, "tool_choice");
  };
  EXPECT_EQ(choice(Mode::automatic), "absent");
  EXPECT_EQ(choice(Mode::none), R"({"type":"none"})");
  EXPECT_EQ(choice(Mode::required), R"({"type":"any"})");
  EXPECT_EQ(choice(Mode::named, false),
            R"({"type":"tool","name":"run","disable_parallel_tool_use":true})");
  EXPECT_EQ(choice(Mode::automatic, true), R"({"type":"auto","disable_parallel_tool_use":false})");
}

TEST(AnthropicRequest, NewerModelsAreGivenAnEffortAndOlderOnesABudget) {
  CompletionRequest request;
  EXPECT_EQ(member_of(request, "thinking"), "absent");
  request.reasoning.effort = Effort::minimal;
  EXPECT_EQ(member_of(request, "thinking"), R"({"type":"adaptive"})");
  EXPECT_EQ(member_of(request, "output_config"), R"({"effort":"low"})");
  for (const char* model : {"claude-sonnet-4-5-20250929", "claude-haiku-4-5",
                            "claude-opus-4-20250514", "claude-3-7-sonnet-latest"}) {
    EXPECT_EQ(member_of(request, "thinking", model), R"({"type":"enabled","budget_tokens":1024})");
    EXPECT_EQ(member_of(request, "max_tokens", model), "9216") << "the thoughts count into it";
    EXPECT_EQ(member_of(request, "output_config", model), "absent");
  }
  request.reasoning = {};
  request.reasoning.budget_tokens = 20'000;
  EXPECT_EQ(member_of(request, "output_config"), R"({"effort":"high"})");
  EXPECT_EQ(member_of(request, "thinking", "claude-opus-4-5"),
            R"({"type":"enabled","budget_tokens":20000})");
  EXPECT_EQ(member_of(request, "thinking", "acme-thinker-2"),
            R"({"type":"enabled","budget_tokens":20000})")
      << "as the client says it, to a model that nobody knows";
  EXPECT_EQ(member_of(request, "output_config", "acme-thinker-2"), "absent");
  for (bool by_effort : {true, false}) {
    request.reasoning = {};
    if (by_effort)
      request.reasoning.effort = Effort::none;
    else
      request.reasoning.enabled = false;
    EXPECT_EQ(member_of(request, "thinking"), R"({"type":"disabled"})");
    EXPECT_EQ(member_of(request, "output_config"), "absent");
  }
}

TEST(AnthropicRequest, ASchemaAndAnEffortShareTheirPlace) {
  CompletionRequest request;
  request.reasoning.effort = Effort::high;
  request.response_format = {ResponseFormat::Kind::json_schema, "n", {R"({"a":1})"}, "", true};
  EXPECT_EQ(member_of(request, "output_config"),
            R"({"effort":"high","format":{"type":"json_schema","schema":{"a":1}}})");
}

TEST(AnthropicRequest, SendsWhatTheWireHasOfSampling) {
  CompletionRequest request;
  request.sampling.temperature = 0.7f;
  request.sampling.top_p = 0.95f;
  request.sampling.top_k = 40;
  request.stop = {"END"};
  EXPECT_THAT(
      boost::json::serialize(body_of(request)),
      HasSubstr(R"("stop_sequences":["END"],"temperature":7E-1,"top_p":9.5E-1,"top_k":40)"));
}

TEST(AnthropicRequest, ItsClientsOwnWordsGoToAnthropicAlone) {
  CompletionRequest request;
  request.messages = {message(Role::user, Text{"Hi"})};
  OwnWords own;
  own.user = "user_1_session_2";
  own.betas = "context-1m-2025-08-07,interleaved-thinking-2025-05-14";
  Target target;
  target.model = "claude-sonnet-5";
  for (const std::string provider : {"anthropic", "moonshot", "acme"}) {
    target.provider = provider;
    auto body = messages_body(target, {}, request, "", own);
    ASSERT_TRUE(body);
    const auto headers = kAnthropicMessages.headers(target, "key", own);
    const bool is_told = provider == "anthropic";
    EXPECT_EQ(body->find(R"("metadata":{"user_id":"user_1_session_2"})") != body->npos, is_told);
    EXPECT_EQ(std::ranges::count(headers, "anthropic-beta: " + own.betas), is_told) << provider;
    EXPECT_EQ(std::ranges::count(headers, "x-api-key: key"), 1);
  }
  target.provider = "anthropic";
  target.base_url = "https://relay.example/v1";
  EXPECT_EQ(messages_body(target, {}, request, "", own)->find("metadata"), std::string::npos);
  EXPECT_EQ(kAnthropicMessages.headers(target, "", own).size(), 1u);
  EXPECT_EQ(member_of(request, "metadata"), "absent");
}

TEST(AnthropicRequest, StrictToolsAreStrictWhereTheModelKnowsIt) {
  CompletionRequest request;
  request.messages = {message(Role::user, Text{"Hi"})};
  ToolSpec tool;
  tool.name = "run";
  tool.parameters.text = R"({"type":"object","additionalProperties":false})";
  request.tools = {tool};
  EXPECT_THAT(member_of(request, "tools"), Not(HasSubstr("strict")));
  request.tools[0].is_strict = true;
  for (const char* model : {"claude-sonnet-5", "claude-haiku-4-5", "claude-opus-4-5-20251101"})
    EXPECT_THAT(member_of(request, "tools", model), HasSubstr(R"("strict":true)")) << model;
  for (const char* model : {"claude-3-5-haiku", "claude-sonnet-4-20250514", "kimi-k3"})
    EXPECT_THAT(member_of(request, "tools", model), Not(HasSubstr("strict"))) << model;
}

}  // namespace
}  // namespace hearth::router::anthropic
