// Gemini's generateContent: requests and streams, written after the public documentation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/providers/gemini.h"
#include "router/providers/table.h"
#include "support/json.h"

namespace hearth::router::gemini {
namespace {

using ::testing::HasSubstr;

Target target(std::string model = "gemini-3.8-flash") {
  Target made;
  made.kind = TargetKind::api;
  made.provider = "gemini";
  made.model = std::move(model);
  return made;
}

template <class... Contents>
Message message(Role role, Contents... contents) {
  Message made;
  made.role = role;
  (made.blocks.emplace_back(Block{std::move(contents), {}, {}, {}, {}}), ...);
  return made;
}

std::string member_of(const CompletionRequest& request, std::string_view name,
                      std::string model = "gemini-3.8-flash") {
  auto text = content_body(target(std::move(model)), {}, request);
  EXPECT_TRUE(text) << text.error().message;
  auto body = json::parse_value(text ? *text : "{}");
  auto* member = body->as_object().if_contains(name);
  return member ? boost::json::serialize(*member) : "absent";
}

std::string contents_of(std::vector<Message> messages, std::string model = "gemini-3.8-flash") {
  CompletionRequest request;
  request.messages = std::move(messages);
  return member_of(request, "contents", std::move(model));
}

TEST(GeminiRequest, TheModelIsInThePath) {
  EXPECT_EQ(kGemini.path(target()), "/models/gemini-3.8-flash:streamGenerateContent?alt=sse");
  EXPECT_EQ(kGemini.path(target("models/gemini-x")),
            "/models/gemini-x:streamGenerateContent?alt=sse");
  EXPECT_THAT(kGemini.headers({}, "k", {}), ::testing::ElementsAre("x-goog-api-key: k"));
}

TEST(GeminiRequest, NeighboursOfOneRoleAreOneTurn) {
  CompletionRequest request;
  request.messages = {message(Role::system, Text{"Be brief"}), message(Role::user, Text{"a"}),
                      message(Role::user, Text{"b"}), message(Role::system, Text{"late"}),
                      message(Role::assistant, Text{"c"})};
  EXPECT_EQ(member_of(request, "systemInstruction"), R"({"parts":[{"text":"Be brief"}]})");
  EXPECT_EQ(member_of(request, "contents"),
            R"([{"role":"user","parts":[{"text":"a"},{"text":"b"},{"text":"late"}]},)"
            R"({"role":"model","parts":[{"text":"c"}]}])");
}

TEST(GeminiRequest, SignaturesReturnOnThePartThatTheyCameOn) {
  EXPECT_EQ(
      contents_of(
          {message(Role::assistant, Reasoning{"hm", {}}, Text{"I look"},
                   ToolCall{"c1", "run", R"({"a":1})"},
                   Opaque{"gemini", {R"({"thoughtSignature":"SigA"})"}}, ToolCall{"c2", "run", ""}),
           message(Role::tool, ToolResult{"c1", "done", false}, ToolResult{"c2", "bad", true})}),
      R"([{"role":"model","parts":[{"text":"I look"},)"
      R"({"functionCall":{"id":"c1","name":"run","args":{"a":1}},"thoughtSignature":"SigA"},)"
      R"({"functionCall":{"id":"c2","name":"run","args":{}}}]},)"
      R"({"role":"user","parts":[{"functionResponse":{"id":"c1","name":"run","response":{"output":"done"}}},)"
      R"({"functionResponse":{"id":"c2","name":"run","response":{"error":"bad"}}}]}])");
}

// Models of the third generation refuse a call without a signature.
TEST(GeminiRequest, CallsOfAnotherModelSaySo) {
  const std::vector<Message> other = {message(Role::assistant, ToolCall{"c1", "run", "{}"},
                                              Opaque{"anthropic", {R"({"type":"thinking"})"}})};
  EXPECT_THAT(contents_of(other), HasSubstr("skip_thought_signature_validator"));
  EXPECT_EQ(contents_of(other, "gemini-2.5-pro"),
            R"([{"role":"model","parts":[{"functionCall":{"id":"c1","name":"run","args":{}}}]}])");
}

TEST(GeminiRequest, ImagesAreInlineOrRefused) {
  EXPECT_EQ(contents_of({message(Role::user, Image{"data:image/png;base64,AA==", ""})}),
            R"([{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}])");
  CompletionRequest request;
  request.messages = {message(Role::user, Image{"https://x/y.png", ""})};
  auto body = content_body(target(), {}, request);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code, Errc::unsupported);
}

TEST(GeminiRequest, ControlsAreSaidInItsWords) {
  CompletionRequest request;
  request.tools = {{"run", "Runs", {R"({"type":"object"})"}, {}}};
  request.tool_choice = {ToolChoice::Mode::named, "run", {}};
  EXPECT_EQ(member_of(request, "tools"),
            R"([{"functionDeclarations":[{"name":"run","description":"Runs",)"
            R"("parametersJsonSchema":{"type":"object"}}]}])");
  EXPECT_EQ(member_of(request, "toolConfig"),
            R"({"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["run"]}})");
  request.tool_choice = {};
  EXPECT_EQ(member_of(request, "toolConfig"), "absent");
  request.tools[0].is_strict = true;
  EXPECT_EQ(member_of(request, "toolConfig"), R"({"functionCallingConfig":{"mode":"VALIDATED"}})");
  CompletionRequest plain;
  plain.max_tokens = 9;
  plain.sampling.temperature = 0.7f;
  plain.sampling.top_k = 40;
  plain.sampling.seed = 7;
  plain.stop = {"END"};
  EXPECT_EQ(
      member_of(plain, "generationConfig"),
      R"({"maxOutputTokens":9,"temperature":7E-1,"topK":40,"seed":7,"stopSequences":["END"]})");
  CompletionRequest formed;
  formed.response_format.kind = ResponseFormat::Kind::json_schema;
  formed.response_format.schema.text = R"({"type":"object"})";
  EXPECT_EQ(member_of(formed, "generationConfig"),
            R"({"responseMimeType":"application/json","responseJsonSchema":{"type":"object"}})");
}

TEST(GeminiRequest, ThinkingIsALevelOrABudgetByGeneration) {
  CompletionRequest request;
  request.reasoning.effort = Effort::low;
  EXPECT_EQ(member_of(request, "generationConfig"),
            R"({"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"low"}})");
  EXPECT_EQ(member_of(request, "generationConfig", "gemini-2.5-flash"),
            R"({"thinkingConfig":{"includeThoughts":true,"thinkingBudget":4096}})");
  request.reasoning = {};
  request.reasoning.enabled = false;
  EXPECT_EQ(member_of(request, "generationConfig"),
            R"({"thinkingConfig":{"includeThoughts":false,"thinkingLevel":"minimal"}})");
  EXPECT_EQ(member_of(request, "generationConfig", "gemini-2.5-flash"),
            R"({"thinkingConfig":{"includeThoughts":false,"thinkingBudget":0}})");
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
  auto reader = content_reader(
      target(), [&](const StreamDelta& delta) { heard.deltas.push_back(delta); }, 1 << 20);
  for (const std::string& event : events)
    if (heard.outcome) heard.outcome = reader->hear("", event);
  heard.is_done = reader->is_done();
  heard.answer = reader->finish("gemini");
  return heard;
}

const std::vector<std::string> kAnswer = {
    R"({"candidates":[{"content":{"parts":[{"text":"I should look","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":20,"totalTokenCount":20},"modelVersion":"gemini-3.8-flash"})",
    R"({"candidates":[{"content":{"parts":[{"text":"Hello, "}],"role":"model"},"index":0}]})",
    R"({"candidates":[{"content":{"parts":[{"text":"wörld"}],"role":"model"},"index":0}]})",
    R"({"candidates":[{"content":{"parts":[{"functionCall":{"id":"f1","name":"run","args":{"a":1}},"thoughtSignature":"SigA"},{"functionCall":{"name":"run","args":{"b":2}}}],"role":"model"},"index":0}]})",
    R"({"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":20,"cachedContentTokenCount":8,"candidatesTokenCount":6,"thoughtsTokenCount":3,"totalTokenCount":29}})"};

TEST(GeminiStream, PartsBecomeBlocks) {
  Heard heard = hear(kAnswer);
  ASSERT_TRUE(heard.answer) << heard.answer.error().message;
  EXPECT_TRUE(heard.is_done);
  const auto& blocks = heard.answer->message.blocks;
  ASSERT_EQ(blocks.size(), 5u);
  EXPECT_EQ(std::get<Reasoning>(blocks[0].content).text, "I should look");
  EXPECT_EQ(std::get<Text>(blocks[1].content).text, "Hello, wörld");
  EXPECT_EQ(std::get<ToolCall>(blocks[2].content).arguments, R"({"a":1})");
  EXPECT_THAT(std::get<Opaque>(blocks[3].content).part.text, HasSubstr("SigA"));
  EXPECT_FALSE(std::get<ToolCall>(blocks[4].content).id.empty()) << "a call always has an id";
  EXPECT_EQ(heard.answer->finish_reason, FinishReason::tool_calls);
  EXPECT_EQ(heard.answer->usage.n_completion, 9u);
}

TEST(GeminiStream, AnAnswerReturnsWithItsSignatures) {
  Heard heard = hear(kAnswer);
  ASSERT_TRUE(heard.answer);
  EXPECT_THAT(
      contents_of({heard.answer->message}),
      HasSubstr(
          R"({"functionCall":{"id":"f1","name":"run","args":{"a":1}},"thoughtSignature":"SigA"})"));
}

TEST(GeminiStream, WithoutAFinishReasonItIsIncomplete) {
  for (size_t n = 0; n < kAnswer.size(); ++n)
    EXPECT_FALSE(hear({kAnswer.begin(), kAnswer.begin() + static_cast<long>(n)}).answer) << n;
}

TEST(GeminiStream, EndsAreTranslated) {
  auto heard = [](std::string_view reason) {
    return hear({R"({"candidates":[{"finishReason":")" + std::string(reason) + R"("}]})"});
  };
  EXPECT_EQ(heard("MAX_TOKENS").answer->finish_reason, FinishReason::length);
  EXPECT_EQ(heard("SAFETY").answer->finish_reason, FinishReason::content_filter);
  EXPECT_EQ(heard("NEW_REASON").answer->finish_reason, FinishReason::stop);
  EXPECT_FALSE(heard("MALFORMED_FUNCTION_CALL").answer) << "nothing that could be run";
  Heard blocked = hear({R"({"promptFeedback":{"blockReason":"SAFETY"}})"});
  ASSERT_TRUE(blocked.answer);
  EXPECT_EQ(blocked.answer->finish_reason, FinishReason::content_filter);
  Heard error = hear({R"({"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}})"});
  ASSERT_FALSE(error.outcome);
  EXPECT_EQ(error.outcome.error().remedy, Remedy::retry_after);
}

TEST(GeminiStream, OddEventsDoNoHarm) {
  for (const char* odd :
       {"{}", "[]", "7", R"({"candidates":[]})", R"({"candidates":[{"content":{"parts":7}}]})",
        R"({"candidates":[{"content":{}}]})", R"({"usageMetadata":[]})",
        R"({"promptFeedback":{}})"}) {
    std::vector<std::string> events = kAnswer;
    events.insert(events.begin() + 2, odd);
    Heard heard = hear(events);
    ASSERT_TRUE(heard.answer) << odd;
    EXPECT_EQ(text_of(heard.answer->message), "Hello, wörld") << odd;
  }
}

}  // namespace
}  // namespace hearth::router::gemini
