// What a grammar of answers writes is what the dialect reads: random texts of the grammar, as
// bytes, through the dialect's own reader.
#include "engine/answer_grammar.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "inference/dialects/read.h"
#include "support/json.h"

namespace hearth::engine {
namespace {

using hearth::testing::dialect_named;
using hearth::testing::read;
using hearth::testing::sample_tools;

// A random text of the grammar, drawn to its end once it is long enough.
std::string random_text(const grammar::Grammar& grammar, uint32_t seed) {
  std::mt19937 random(seed);
  grammar::Machine machine(grammar.program());
  grammar::StateId state = machine.start();
  std::string text;
  while (text.size() < 4000) {
    const bool wants_end = text.size() > 40 || random() % 4 == 0;
    if (machine.accepts(state) && wants_end) return text;
    // What ends a stretch of free text is never met by chance.
    if (text.size() > 40 || random() % 8 == 0) {
      const size_t size = text.size();
      constexpr std::string_view kEnds[] = {"\n</parameter>", "</parameter>", "</arg_value>",
                                            "<|end|>", "</｜DSML｜parameter>"};
      const std::string_view end = kEnds[random() % std::size(kEnds)];
      grammar::StateId at = state;
      for (char c : end) at = machine.step(at, static_cast<uint8_t>(c));
      if (at != grammar::kDead) {
        state = at;
        text += end;
      }
      if (text.size() > size) continue;
    }
    std::string choices;
    for (int byte = 1; byte < 0x7F; ++byte)
      if (machine.step(state, static_cast<uint8_t>(byte)) != grammar::kDead)
        choices += static_cast<char>(byte);
    for (int byte = 0x80; byte < 0x100 && choices.empty(); ++byte)
      if (machine.step(state, static_cast<uint8_t>(byte)) != grammar::kDead)
        choices += static_cast<char>(byte);
    if (choices.empty()) return machine.accepts(state) ? text : text + "<dead end>";
    char chosen = choices[random() % choices.size()];
    // Closing brackets, quotes and markers, once it is long enough.
    if (text.size() > 60 || random() % 3 == 0)
      for (char c : std::string_view("\"}]<\n"))
        if (choices.find(c) != choices.npos && random() % 2) {
          chosen = c;
          break;
        }
    text += chosen;
    state = machine.step(state, static_cast<uint8_t>(chosen));
  }
  return text + "<no end>";
}

CompletionRequest request_with_tools(ToolChoice::Mode mode, std::string name = "") {
  CompletionRequest request;
  request.tools = sample_tools();
  request.tool_choice = {mode, std::move(name), {}};
  return request;
}

std::shared_ptr<const grammar::Grammar> made(const CompletionRequest& request,
                                             const AnswerContext& context) {
  auto grammar = answer_grammar(request, context);
  EXPECT_TRUE(grammar) << grammar.error().message;
  return grammar ? *grammar : nullptr;
}

// "[id name arguments]" of the one call that the answer is.
void expect_one_call(std::string told, std::string_view name, const std::string& text) {
  if (told.starts_with('(')) told.erase(0, told.rfind("[#0 "));  // thinking
  const size_t first = told.find(' '), second = told.find(' ', first + 1);
  ASSERT_TRUE(told.starts_with('[') && told.ends_with(']') && second != told.npos)
      << text << "\n-> " << told;
  EXPECT_EQ(told.substr(first + 1, second - first - 1), name) << text;
  const std::string arguments = told.substr(second + 1, told.size() - second - 2);
  EXPECT_TRUE(json::Document::parse(arguments)) << text << "\n-> " << arguments;
}

class EveryDialect : public ::testing::TestWithParam<std::string_view> {};

TEST_P(EveryDialect, ANamedCallIsReadAsThatCall) {
  const dialects::Dialect* dialect = dialect_named(GetParam());
  CompletionRequest request = request_with_tools(ToolChoice::Mode::named, "get_weather");
  request.tool_choice.parallel = false;
  const auto grammar = made(request, {.dialect = dialect});
  ASSERT_TRUE(grammar);
  for (uint32_t seed = 0; seed < 25; ++seed) {
    const std::string text = random_text(*grammar, seed);
    // No end of the stream but its own: harmony's closing token is the sampler's.
    expect_one_call(read({text}, {.dialect = dialect}), "get_weather", text);
  }
}

TEST_P(EveryDialect, ACallIsBoundToItsFormOnceItHasBegun) {
  const dialects::Dialect* dialect = dialect_named(GetParam());
  auto grammar =
      answer_grammar(request_with_tools(ToolChoice::Mode::automatic), {.dialect = dialect});
  ASSERT_TRUE(grammar);
  if (!*grammar) {  // nothing tells where a call begins
    EXPECT_TRUE(GetParam() == "llama" || GetParam() == "harmony" ||
                GetParam() == "deepseek_markup");
    return;
  }
  EXPECT_TRUE((*grammar)->matches("It is 5 < 6, and {\"name\": 1} <tool no.\n"));
  EXPECT_TRUE((*grammar)->matches(""));
}

INSTANTIATE_TEST_SUITE_P(Table, EveryDialect, ::testing::ValuesIn([] {
                           std::vector<std::string_view> names;
                           for (const dialects::Dialect& row : dialects::table())
                             names.push_back(row.name);
                           return names;
                         }()),
                         [](const auto& instance) { return std::string(instance.param); });

TEST(AnswerGrammar, HermesCallsAreWrittenAsTemplatesShowThem) {
  const dialects::Dialect* dialect = dialect_named("hermes");
  const auto grammar = made(request_with_tools(ToolChoice::Mode::required), {.dialect = dialect});
  EXPECT_TRUE(grammar->matches(
      "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\", \"days\": 2}}\n"
      "</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_FALSE(
      grammar->matches("<tool_call>\n{\"name\": \"other\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_FALSE(grammar->matches(
      "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"days\": \"2\"}}\n</tool_call>"));
  EXPECT_FALSE(grammar->matches("Hello"));
}

TEST(AnswerGrammar, ControlTokensAreWrittenAsSuch) {
  const dialects::Dialect* dialect = dialect_named("hermes");
  const auto grammar = made(request_with_tools(ToolChoice::Mode::named, "now"),
                            {.dialect = dialect, .is_control = [](std::string_view text) {
                               return text == "<tool_call>" || text == "</tool_call>";
                             }});
  EXPECT_TRUE(grammar->matches(
      "\xFF<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n\xFF</tool_call>"));
  EXPECT_FALSE(
      grammar->matches("<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"));
}

TEST(AnswerGrammar, ThinkingIsFreeAndComesFirst) {
  CompletionRequest request;
  request.response_format.kind = ResponseFormat::Kind::json_object;
  dialects::ReasoningMarkers markers{"<think>", "</think>", false};
  const auto open = made(request, {.markers = &markers});
  EXPECT_TRUE(open->matches("<think>\nwhat? {[</think>\n\n{\"a\": 1}"));
  EXPECT_TRUE(open->matches("{\"a\": 1}"));
  EXPECT_FALSE(open->matches("what? {\"a\": 1}"));
  markers.opened_by_prompt = true;
  const auto opened = made(request, {.markers = &markers});
  EXPECT_TRUE(opened->matches("hm\n</think>\n\n{}"));
  EXPECT_FALSE(opened->matches("{}"));
}

TEST(AnswerGrammar, HarmonyAnswersInItsFinalChannel) {
  CompletionRequest request;
  request.response_format.kind = ResponseFormat::Kind::json_object;
  const auto grammar = made(request, {.dialect = dialect_named("harmony")});
  EXPECT_TRUE(
      grammar->matches("<|channel|>analysis<|message|>so {x<|end|><|start|>assistant"
                       "<|channel|>final<|message|>{\"a\": 1}"));
  EXPECT_TRUE(grammar->matches("<|channel|>final<|message|>{}"));
  EXPECT_FALSE(grammar->matches("<|channel|>final<|message|>so"));
}

TEST(AnswerGrammar, WhatCannotBeHonouredIsRefusedAndOfToolsLeftOut) {
  CompletionRequest request;
  request.response_format.kind = ResponseFormat::Kind::json_schema;
  request.response_format.schema.text = R"({"type":"array","uniqueItems":true})";
  auto refused = answer_grammar(request, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unsupported);
  EXPECT_NE(refused.error().message.find("uniqueItems"), std::string::npos);

  CompletionRequest calling = request_with_tools(ToolChoice::Mode::required);
  calling.tools = {{"f", "", {R"({"type":"object","not":{"required":["a"]}})"}, ""}};
  const auto any = made(calling, {.dialect = dialect_named("hermes")});
  EXPECT_TRUE(any->matches("<tool_call>{\"name\":\"f\",\"arguments\":{\"z\":[1]}}</tool_call>"));

  calling.tools[0].parameters.text =
      R"({"type":"object","properties":{"b":{"items":{"contains":{}}},
          "a":{"type":"array","uniqueItems":true}},"required":["a"]})";
  for (std::string_view dialect : {"hermes", "qwen_coder"}) {
    SCOPED_TRACE(dialect);
    const auto most = made(calling, {.dialect = dialect_named(dialect)});
    std::vector<std::string> left_out;
    ASSERT_TRUE(answer_grammar(calling, {.dialect = dialect_named(dialect)}, &left_out));
    EXPECT_EQ(left_out, (std::vector<std::string>{"tool f: properties.a: uniqueItems",
                                                  "tool f: properties.b.items: contains"}));
    const bool is_json = dialect == "hermes";
    const auto call = [&](std::string_view name, std::string_view value) {
      return is_json
                 ? fmt::format(R"(<tool_call>{{"name":"f","arguments":{{"{}":{}}}}}</tool_call>)",
                               name, value)
                 : fmt::format(
                       "<tool_call>\n<function=f>\n<parameter={}>\n{}\n</parameter>\n"
                       "</function>\n</tool_call>",
                       name, value);
    };
    EXPECT_TRUE(most->matches(call("a", "[1,1]"))) << "what alone is left out";
    EXPECT_FALSE(most->matches(call("a", "1")));
    EXPECT_FALSE(most->matches(call("z", "[1]")));
  }
}

TEST(AnswerGrammar, ACallAndAFormContradictEachOther) {
  for (const auto kind : {ResponseFormat::Kind::json_object, ResponseFormat::Kind::gbnf}) {
    CompletionRequest request = request_with_tools(ToolChoice::Mode::required);
    request.response_format.kind = kind;
    request.response_format.pattern = "root ::= \"a\"";
    auto refused = answer_grammar(request, {.dialect = dialect_named("hermes")});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::invalid);
    EXPECT_NE(refused.error().message.find("tool_choice"), std::string::npos);
    request.tool_choice.mode = ToolChoice::Mode::automatic;
    EXPECT_TRUE(answer_grammar(request, {.dialect = dialect_named("hermes")}));
  }
}

TEST(AnswerGrammar, OfAStrictToolNothingIsLeftOut) {
  for (const auto mode : {ToolChoice::Mode::required, ToolChoice::Mode::automatic}) {
    CompletionRequest request = request_with_tools(mode);
    request.tools = {{.name = "f",
                      .parameters = {R"({"properties":{"a":{"uniqueItems":true}}})"},
                      .is_strict = true}};
    for (std::string_view dialect : {"hermes", "qwen_coder", "llama"}) {
      auto refused = answer_grammar(request, {.dialect = dialect_named(dialect)});
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, Errc::unsupported);
      EXPECT_NE(refused.error().message.find("f: properties.a: uniqueItems"), std::string::npos);
    }
    request.tools.push_back({.name = "g", .parameters = {R"({"type":"object"})"}});
    request.tool_choice = {ToolChoice::Mode::named, "g", {}};
    EXPECT_TRUE(answer_grammar(request, {.dialect = dialect_named("hermes")}));
  }
}

TEST(AnswerGrammar, StructuresStandInFreeText) {
  CompletionRequest request;
  request.response_format.kind = ResponseFormat::Kind::structural_tag;
  request.response_format.schema.text =
      R"({"structures":[{"begin":"<f=a>","schema":{"type":"integer"},"end":"</f>"},
                        {"begin":"<f=b>","schema":{"const":"x"},"end":"</f>"}],"triggers":["<f="]})";
  const auto grammar = made(request, {.dialect = dialect_named("hermes")});
  ASSERT_TRUE(grammar);
  EXPECT_TRUE(grammar->matches("no call, <f a>"));
  EXPECT_TRUE(grammar->matches("so: <f=a>12</f> and <f=b>\"x\"</f>."));
  EXPECT_FALSE(grammar->matches("so: <f=a>\"x\"</f>"));
  EXPECT_FALSE(grammar->matches("<f=c>1</f>"));
  EXPECT_FALSE(grammar->matches("<f=a>1"));
  request.response_format.schema.text =
      R"({"structures":[{"begin":"<a>","schema":{"contains":{}},"end":""}],"triggers":["<a>"]})";
  auto refused = answer_grammar(request, {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("structures[0].schema: contains"), std::string::npos);
}

TEST(AnswerGrammar, AFreeAnswerHasNone) {
  CompletionRequest request;
  auto none = answer_grammar(request, {.dialect = dialect_named("hermes")});
  ASSERT_TRUE(none);
  EXPECT_EQ(*none, nullptr);
}

}  // namespace
}  // namespace hearth::engine
