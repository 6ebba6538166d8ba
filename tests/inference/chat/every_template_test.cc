// What must hold for each of the models' templates, whatever its form.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <regex>
#include <set>

#include "data.h"
#include "model.h"

namespace hearth {
namespace {

using testing::ChatModel;
using testing::message;

// No template writes this by itself.
constexpr std::string_view kForeign = "<|h3arth|>";

// What looks like a control token in a template's source.
std::vector<std::string> markers_in(const std::string& source) {
  static const std::regex kMarker(R"(<[^<>\s'"{}]{1,40}>|\[/?[A-Z_]{3,}\])");
  std::set<std::string> found;
  for (std::sregex_iterator at(source.begin(), source.end(), kMarker), end; at != end; ++at)
    found.insert(at->str());
  return {found.begin(), found.end()};
}

ChatModel model_of(const std::string& name) {
  std::string source = testing::read_template(name);
  std::vector<std::string> control = markers_in(source);
  control.insert(control.end(), {"<eos>", "<bos>", std::string(kForeign)});
  return ChatModel(source, control);
}

// A coding agent's conversation whose every text is `text`.
std::vector<Message> conversation(const std::string& text) {
  std::string arguments = "{\"" + text + "\": \"" + text + "\", \"list\": [\"" + text + "\"]}";
  std::vector<Message> messages = {
      text_message(Role::system, text),
      text_message(Role::user, text),
      message(Role::assistant, {Reasoning{text, {}}, Text{text}, ToolCall{text, text, arguments}}),
      message(Role::tool, {ToolResult{text, text}}),
      message(Role::assistant, {Text{text}}),
      text_message(Role::user, text)};
  for (Message& each : messages) each.name = text;
  return messages;
}

std::vector<ToolSpec> tools(const std::string& text) {
  return {{text,
           text,
           {R"({"type": "object", "properties": {")" + text + R"(": {"type": "string", )" +
            R"("description": ")" + text + R"(", "enum": [")" + text + R"("]}}, "required": [")" +
            text + R"("]})"}}};
}

// Variables that some templates cannot do without.
RawJson variables(const std::string& text) {
  return {R"({"functions": ")" + text + R"(", "datetime": ")" + text + R"(", "date_string": ")" +
          text + R"("})"};
}

// Assigns to the messages it is given once there is an answer; transformers refuses that, too.
bool refuses_answers(const std::string& model) { return model == "MiroThinker"; }

class EveryTemplate : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryTemplate, ParsesNothingOfAConversationAsAControlToken) {
  ChatModel model = model_of(GetParam());
  ASSERT_TRUE(*model.chat) << model.chat->error().message;
  const std::string attack(kForeign);
  std::vector<Message> messages = conversation(attack);
  if (refuses_answers(GetParam())) messages.resize(2);
  auto text = model->render_text(messages, tools(attack), variables(attack), 0);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_NE(text->text.find(attack), std::string::npos);
  auto tokens = model->render(messages, tools(attack), variables(attack), 0);
  ASSERT_TRUE(tokens) << tokens.error().message;
  EXPECT_EQ(std::count(tokens->begin(), tokens->end(), model.tokenizer->find(kForeign)), 0);
}

// The same with the template's own markers in what a user or a tool says.
TEST_P(EveryTemplate, WritesAsManyControlTokensAsWithoutThemInTheText) {
  ChatModel model = model_of(GetParam());
  ASSERT_TRUE(*model.chat) << model.chat->error().message;
  auto control_tokens = [&](const std::string& said) {
    std::vector<Message> messages = {
        text_message(Role::system, "Be brief."),
        text_message(Role::user, said),
        message(Role::assistant, {ToolCall{"call00001", "read", "{\"path\": \"a\"}"}}),
        message(Role::tool, {ToolResult{"call00001", said}}),
        message(Role::assistant, {Text{"Done."}}),
        text_message(Role::user, said)};
    if (refuses_answers(GetParam())) messages.resize(2);
    auto tokens = model->render(messages, {}, variables("none"), 0);
    EXPECT_TRUE(tokens) << tokens.error().message;
    std::multiset<std::string> found;
    if (!tokens) return found;
    for (Token token : *tokens)
      if (model.tokenizer->is_control(token)) found.emplace(model.tokenizer->text(token));
    return found;
  };
  std::string attack = "x ";
  for (const std::string& marker : markers_in(testing::read_template(GetParam()))) attack += marker;
  EXPECT_EQ(control_tokens(attack), control_tokens("x y"));
}

TEST_P(EveryTemplate, ShowsAConversationWithToolsInOrder) {
  ChatModel model = model_of(GetParam());
  ASSERT_TRUE(*model.chat) << model.chat->error().message;
  std::vector<Message> messages = {
      text_message(Role::system, "S-1"),
      text_message(Role::user, "U-1"),
      message(Role::assistant, {Reasoning{"R-1", {}}, Text{"A-1"},
                                ToolCall{"call_of_any_form", "T-1", R"({"path": "P-1"})"}}),
      message(Role::tool, {ToolResult{"call_of_any_form", "O-1"}}),
      message(Role::assistant, {ToolCall{"call_2", "T-2", R"({"path": "P-2"})"},
                                ToolCall{"call_3", "T-3", R"({"path": "P-3"})"}}),
      message(Role::tool, {ToolResult{"call_2", "O-2"}, ToolResult{"call_3", "O-3"}}),
      message(Role::assistant, {Text{"A-2"}}),
      text_message(Role::developer, "D-1"),
      text_message(Role::user, "U-2")};
  auto rendered = model->render_text(messages, {}, variables("none"), 0);
  if (refuses_answers(GetParam())) {
    ASSERT_FALSE(rendered);
    EXPECT_EQ(rendered.error().code, Errc::invalid);
    return;
  }
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_NE(rendered->text.find("S-1"), std::string::npos) << rendered->text;
  size_t at = 0;
  for (std::string_view said : {"U-1", "T-1", "P-1", "O-1", "T-2", "P-2", "A-2", "D-1", "U-2"}) {
    size_t found = rendered->text.find(said, at);
    EXPECT_NE(found, std::string::npos) << said << " in " << rendered->text;
    if (found != std::string::npos) at = found + said.size();
  }
  const size_t second = rendered->text.find("P-2");  // some write the results behind both calls
  for (std::string_view said : {"T-3", "P-3", "O-2", "O-3"})
    EXPECT_LT(rendered->text.find(said, second), rendered->text.find("A-2")) << said;
}

INSTANTIATE_TEST_SUITE_P(Models, EveryTemplate, ::testing::ValuesIn(testing::template_names()),
                         testing::test_name);

// Not a limit, only a figure to watch: the template runs once for every request.
TEST(ChatTemplateCost, OfSixtyMessagesIsReported) {
  ChatModel model = model_of("Qwen3-Coder");
  std::vector<Message> messages = {text_message(Role::system, std::string(4000, 's'))};
  std::string code;
  for (int line = 0; line < 100; ++line) code += "  return <b>value</b> + 1;  // line\n";
  while (messages.size() < 58) {
    messages.push_back(text_message(Role::user, "Please look at this file."));
    messages.push_back(
        message(Role::assistant, {ToolCall{"call00001", "read", "{\"path\": \"a.cc\"}"}}));
    messages.push_back(message(Role::tool, {ToolResult{"call00001", code}}));
  }
  while (messages.size() < 60) messages.push_back(text_message(Role::user, code));
  auto begin = std::chrono::steady_clock::now();
  auto text = model->render_text(messages, tools("t"), {}, 0);
  auto rendered = std::chrono::steady_clock::now();
  auto tokens = model->render(messages, tools("t"), {}, 0);
  auto end = std::chrono::steady_clock::now();
  ASSERT_TRUE(text) << text.error().message;
  ASSERT_TRUE(tokens) << tokens.error().message;
  auto us = [](auto from, auto to) {
    return std::chrono::duration_cast<std::chrono::microseconds>(to - from).count();
  };
  std::printf("60 messages, %zu bytes: text %ld us, text and %zu tokens %ld us\n",
              text->text.size(), static_cast<long>(us(begin, rendered)), tokens->size(),
              static_cast<long>(us(rendered, end)));
}

}  // namespace
}  // namespace hearth
