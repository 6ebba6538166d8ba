// The transcripts of gpt-oss's format, written by the model's chat template from our messages.
// Where the template writes something else than the format's own library, the test says what.
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "data.h"
#include "model.h"
#include "support/transcript.h"

namespace hearth {
namespace {

using testing::ChatModel;
using testing::message;
using testing::transcript;

constexpr int64_t kNow = 1751112000;  // 2025-06-28, noon

struct Change {
  std::string of, into;
};

// The template always says the date, and appends an empty line to instructions.
const Change kDate{"Knowledge cutoff: 2024-06\n\n",
                   "Knowledge cutoff: 2024-06\nCurrent date: 2025-06-28\n\n"};
const Change kInstructions{"like a robot.<|end|>", "like a robot.\n\n<|end|>"};

class Harmony : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);
    tzset();
  }

  std::string written(const std::vector<Message>& messages, const std::vector<ToolSpec>& tools = {},
                      const std::string& variables = "") const {
    auto rendered = model_->render_text(messages, tools, RawJson{variables}, kNow);
    return rendered ? rendered->text : rendered.error().message;
  }

  static std::string expected(const std::string& name, const std::vector<Change>& changes) {
    std::string text = transcript(name);
    for (const Change& change : changes) {
      const size_t at = text.find(change.of);
      EXPECT_NE(at, text.npos) << name << " has no " << change.of;
      if (at != text.npos) text.replace(at, change.of.size(), change.into);
    }
    return text;
  }

  // The template writes a system message before every conversation.
  static std::string without_system(const std::string& text) {
    constexpr std::string_view kEnd = "<|end|>";
    EXPECT_TRUE(text.starts_with("<|start|>system<|message|>")) << text;
    return text.substr(text.find(kEnd) + kEnd.size());
  }

  const ChatModel model_{testing::read_template("openai-gpt-oss-120b"),
                         {"<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|call|>",
                          "<|return|>", "<|constrain|>"}};
};

TEST_F(Harmony, PlainConversationsAtEveryEffort) {
  EXPECT_EQ(written({text_message(Role::user, "What is 2 + 2?")}),
            expected("simple_convo", {kDate}));
  const Message question =
      text_message(Role::user, "What is the capital of the largest country in the world?");
  for (const std::string effort : {"low", "medium", "high"}) {
    const std::string variables = "{\"reasoning_effort\": \"" + effort + "\"}";
    const std::string name = "simple_convo_" + effort + "_effort";
    EXPECT_EQ(written({question}, {}, variables), expected(name + "_no_instruction", {kDate}));
    for (const Role role : {Role::developer, Role::system})
      EXPECT_EQ(written({text_message(role, "Answer the user's questions like a robot."), question},
                        {}, variables),
                expected(name, {kDate, kInstructions}));
  }
}

// Its channels and its date of knowledge are fixed.
TEST_F(Harmony, ReasoningConversations) {
  const Change channels{"analysis, final.", "analysis, commentary, final."};
  EXPECT_EQ(written({text_message(Role::user, "What is 2 + 2?")}),
            expected("reasoning_system_message", {kDate, channels}));
  EXPECT_EQ(written({text_message(Role::user, "What is the best place to eat candy in the world?")},
                    {}, R"({"reasoning_effort": "high"})"),
            expected("reasoning_system_message_no_instruction", {kDate, channels}));
  EXPECT_EQ(
      written({text_message(Role::user, "What is 42 * pi?")}),
      expected("reasoning_system_message_with_dates", {{"cutoff: 2021-01", "cutoff: 2024-06"},
                                                       {"date: 2021-01-01", "date: 2025-06-28"},
                                                       channels}));
}

// These have no question; the template wants a message.
TEST_F(Harmony, BuiltInTools) {
  const std::vector<Message> question{text_message(Role::user, "Hi")};
  const Change asked{"<|start|>assistant", "<|start|>user<|message|>Hi<|end|><|start|>assistant"};
  EXPECT_EQ(written(question), expected("no_tools", {asked}));
  EXPECT_EQ(written(question, {}, R"({"builtin_tools": ["browser"]})"),
            expected("browser_tool_only", {asked}));
  EXPECT_EQ(written(question, {}, R"({"builtin_tools": ["browser", "python"]})"),
            expected("browser_and_python_tool", {asked}));
  const ToolSpec weather{
      "lookup_weather",
      "Use this tool to lookup the weather in a given location. Call it with the parameter "
      "'location', can be any textual description of a location.",
      {R"({"type": "object", "properties": {"location": {"type": "string"}},
           "required": ["location"]})"},
      ""};
  EXPECT_EQ(written(question, {weather}, R"({"builtin_tools": ["browser"]})"),
            expected("browser_and_function_tool", {asked}));
}

// The template writes a comma behind defaults, no titles and examples, and alternatives in its own
// way. At the number beside them it fails, so that it gets the text of one.
TEST_F(Harmony, FunctionsWithParameters) {
  const auto tool = [](std::string name, std::string description, std::string parameters) {
    return ToolSpec{std::move(name), std::move(description), {std::move(parameters)}, ""};
  };
  const std::string format =
      R"("format": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"})";
  const std::vector<ToolSpec> tools{
      tool("get_location", "Gets the location of the user.", ""),
      tool("get_current_weather", "Gets the current weather in the provided location.",
           R"({"type": "object", "properties": {"location": {"type": "string",
               "description": "The city and state, e.g. San Francisco, CA"}, )" +
               format + R"(}, "required": ["location"]})"),
      tool("get_multiple_weathers", "Gets the current weather in the provided list of locations.",
           R"({"type": "object", "properties": {"locations": {"type": "array",
               "items": {"type": "string"}, "description":
               "List of city and state, e.g. [\"San Francisco, CA\", \"New York, NY\"]"}, )" +
               format + R"(}, "required": ["locations"]})"),
      tool("kitchensink", "A function with various complex schemas.",
           R"({"description": "params object", "type": "object", "properties": {
               "string": {"type": "string", "title": "STRING", "description": "A string",
                          "examples": ["hello", "world"]},
               "string_nullable": {"type": "string", "nullable": true, "default": "the default",
                                   "description": "A nullable string"},
               "string_enum": {"type": "string", "enum": ["a", "b", "c"]},
               "oneof_string_or_number": {"description": "a oneof", "default": 20, "oneOf": [
                   {"type": "string", "default": "default_string_in_oneof"},
                   {"type": "number", "description": "numbers can happen too"}]}}})")};
  const Change comma{"// default: celsius\n", "// default: celsius,\n"};
  EXPECT_EQ(written({text_message(Role::developer, "Always respond in riddles"),
                     text_message(Role::user, "What is the weather like in SF?")},
                    tools, R"({"reasoning_effort": "high"})"),
            expected("render_functions_with_parameters",
                     {comma,
                      comma,
                      {"(_: // params object\n{", "(_: {"},
                      {"// STRING\n//\n// A string\n// Examples:\n// - \"hello\"\n// - \"world\"\n",
                       "// A string\n"},
                      {"// default: \"the default\"\n", "// default: \"the default\",\n"},
                      {"// default: 20\noneof_string_or_number?:\n"
                       " | string // default: \"default_string_in_oneof\"\n"
                       " | number // numbers can happen too\n,\n",
                       "oneof_string_or_number?: string                    "
                       "// default: \"default_string_in_oneof\" | \n"
                       "number// numbers can happen too// default: 20,\n"}}));
}

TEST_F(Harmony, ThinkingIsDroppedOnceItIsAnswered) {
  std::vector<Message> messages{
      text_message(Role::user, "What is 2 + 2?"),
      message(Role::assistant,
              {Reasoning{"User asks a simple question: \"What is 2 + 2?\" The answer: 4.", {}},
               Text{"2 + 2 equals 4."}}),
      text_message(Role::user, "What about 9 / 2?")};
  const std::string text = without_system(written(messages));
  EXPECT_EQ(text, transcript("dropping_cot_by_default"));
  EXPECT_EQ(text, expected("preserve_cot",
                           {{"<|start|>assistant<|channel|>analysis<|message|>User asks a simple "
                             "question: \"What is 2 + 2?\" The answer: 4.<|end|>",
                             ""}}))
      << "the template has no way to keep it";
}

// The template does not constrain, and writes results as JSON text to the assistant.
TEST_F(Harmony, ThinkingIsKeptWhileToolsAreCalled) {
  const std::vector<Message> messages{
      text_message(Role::user, "What is the weather in SF?"),
      message(Role::assistant,
              {Reasoning{"User asks: “What is the weather in SF?” We need to use lookup_weather "
                         "tool.",
                         {}},
               ToolCall{"1", "lookup_weather", R"({"location": "San Francisco"})"}}),
      message(Role::tool, {ToolResult{"1", R"({"temperature": 20, "description": "sunny"})"}})};
  EXPECT_EQ(
      without_system(written(messages)),
      expected(
          "does_not_drop_if_ongoing_analysis",
          {{"commentary <|constrain|>json", "commentary json"},
           {R"(<|start|>functions.lookup_weather<|message|>)",
            R"(<|start|>functions.lookup_weather to=assistant<|channel|>commentary<|message|>)"},
           {R"({"temperature": 20, "description": "sunny"})",
            R"("{\"temperature\": 20, \"description\": \"sunny\"}")"}}));
}

// As for training: the last answer whole, behind the thinking of its own alone.
TEST_F(Harmony, TheThinkingOfAnAnswerThatEndsTheConversationIsKept) {
  const std::vector<Message> messages{
      text_message(Role::user, "What is 2 + 2?"),
      message(Role::assistant, {Reasoning{"thinking 2+2", {}}, Text{"4"}}),
      text_message(Role::user, "What is 3 + 5?"),
      message(Role::assistant, {Reasoning{"thinking 3+5", {}}, Text{"8"}})};
  EXPECT_EQ(without_system(written(messages, {}, R"({"add_generation_prompt": false})")),
            expected("keep_analysis_between_finals", {{"8<|end|>", "8<|return|>"}}));
}

// Of two calls in one message the template sees the first, and takes results for that one's.
TEST_F(Harmony, CallsOfOneMessageAreWrittenOneByOne) {
  const std::vector<Message> messages{
      text_message(Role::user, "q"),
      message(Role::assistant,
              {Reasoning{"hm", {}}, ToolCall{"1", "f", R"({"a": 1})"}, ToolCall{"2", "g", "{}"}}),
      message(Role::tool, {ToolResult{"1", "r1"}, ToolResult{"2", "r2"}})};
  EXPECT_EQ(without_system(written(messages)),
            "<|start|>user<|message|>q<|end|>"
            "<|start|>assistant<|channel|>analysis<|message|>hm<|end|>"
            "<|start|>assistant to=functions.f<|channel|>commentary json<|message|>{\"a\": 1}"
            "<|call|><|start|>functions.f to=assistant<|channel|>commentary<|message|>\"r1\"<|end|>"
            "<|start|>assistant to=functions.g<|channel|>commentary json<|message|>{}"
            "<|call|><|start|>functions.g to=assistant<|channel|>commentary<|message|>\"r2\"<|end|>"
            "<|start|>assistant");
}

}  // namespace
}  // namespace hearth
