// What was sampled stands in later prompts token for token. The tiny model is made to say "the" in
// one token, where its tokenizer has three for it.
#include "engine/prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inference/engine/engine_driver.h"
#include "support/json.h"

namespace hearth::engine {
namespace {

using testing::Answer;
using testing::EngineDriver;
using testing::greedy;
using ::testing::HasSubstr;
using testing::tiny_model;

constexpr uint32_t kSaid = 150;  // times "the"

// The answer's last token has not been computed.
MATCHER_P(CoversAllOf, n_tokens, "") { return arg + 1 >= n_tokens; }

class PromptTest : public ::testing::Test {
 protected:
  EngineDriver driver;

  void SetUp() override { ASSERT_FALSE(driver.load(tiny_model(2048))); }

  static CompletionRequest conversation(std::vector<Message> messages) {
    CompletionRequest body = greedy("", 4);
    body.prompt.reset();
    body.messages = std::move(messages);
    body.explains_cache = true;
    return body;
  }

  static CompletionRequest repeating(CompletionRequest body) {
    body.ignore_eos = false;
    body.max_tokens = 2 * kSaid;
    body.response_format.kind = ResponseFormat::Kind::regex;
    body.response_format.pattern = "(the){150}";
    body.sampling.logit_bias = {{'t', -50.f}, {'<', -200.f}};  // no <think>
    return body;
  }

  Answer said(CompletionRequest body) {
    Answer answer = driver.answer(repeating(std::move(body)));
    EXPECT_EQ(answer.tokens, std::vector<Token>(kSaid, testing::kThe));
    return answer;
  }

  const Message question = text_message(Role::user, "Say it.");
  const Message next = text_message(Role::user, "And again.");
};

TEST_F(PromptTest, WhatAClientSendsBackIsWhatWasSampled) {
  const Answer answer = said(conversation({question}));
  const uint32_t n_first = answer.done->usage.n_prompt;
  const Answer on =
      driver.answer(conversation({question, text_message(Role::assistant, answer.text), next}));
  EXPECT_LT(on.done->usage.n_prompt, n_first + kSaid + 100);
  EXPECT_THAT(on.done->usage.n_cached, CoversAllOf(n_first + kSaid));
  EXPECT_FALSE(on.done->divergence);
}

TEST_F(PromptTest, TheWholeWayOfAConversationStaysCached) {
  std::vector<Message> messages{question};
  uint32_t n_before = 0;
  for (int turn = 0; turn < 4; ++turn) {
    const Answer answer = said(conversation(messages));
    EXPECT_THAT(answer.done->usage.n_cached, CoversAllOf(n_before));
    n_before = answer.done->usage.n_prompt + kSaid;
    messages.push_back(text_message(Role::assistant, answer.text));
    messages.push_back(next);
  }
}

TEST_F(PromptTest, AnAnswerThatWasEditedIsReadAnewAndSaidSo) {
  const Answer answer = said(conversation({question}));
  const Answer on = driver.answer(
      conversation({question, text_message(Role::assistant, answer.text + " end"), next}));
  EXPECT_GT(on.done->usage.n_prompt, answer.done->usage.n_prompt + 3 * kSaid);
  ASSERT_TRUE(on.done->divergence);
  EXPECT_EQ(on.done->divergence->position, answer.done->usage.n_prompt);
  EXPECT_THAT(on.done->divergence->cached, HasSubstr("thethe"));
}

TEST_F(PromptTest, TokensThatAMessageKeptServeAnotherEngine) {
  const Answer answer = said(conversation({question}));
  Message kept = answer.message;
  kept.model = "tiny";
  EXPECT_EQ(kept.blocks.at(0).tokens, answer.tokens);

  EngineDriver other;
  ASSERT_FALSE(other.load(tiny_model(2048)));
  const uint32_t n_retokenized = answer.done->usage.n_prompt + 3 * kSaid;
  const auto n_prompt = [&](const Message& message) {
    return other.answer(conversation({question, message, next})).done->usage.n_prompt;
  };
  EXPECT_LT(n_prompt(kept), answer.done->usage.n_prompt + kSaid + 100);

  Message of_another = kept, of_other_text = kept, with_an_end = kept;
  of_another.model = "huge";
  of_other_text.blocks[0].tokens[0] = 'x';
  with_an_end.blocks[0].tokens.push_back(testing::kEnd);
  for (const Message& message : {of_another, of_other_text, with_an_end})
    EXPECT_GT(n_prompt(message), n_retokenized);
}

TEST_F(PromptTest, WhatTheTemplateLeavesOutIsNotBroughtBackAndSaidSo) {
  CompletionRequest body = conversation({question});
  body.template_variables.text = R"({"think":true})";
  body.max_tokens = 80;
  const Answer answer = driver.answer(body);
  ASSERT_FALSE(answer.reasoning.empty());
  body.messages = {question, answer.message, next};
  body.messages[1].model = "tiny";
  const Answer on = driver.answer(body);
  EXPECT_LT(on.done->usage.n_prompt, answer.done->usage.n_prompt + 80);
  ASSERT_TRUE(on.done->divergence);
  EXPECT_LT(on.done->divergence->position, answer.done->usage.n_prompt) << "before <think>";
  EXPECT_THAT(on.done->divergence->cached, HasSubstr("<think>"));
}

TEST_F(PromptTest, ACallThatAClientWroteAnewIsTheSameCall) {
  CompletionRequest body = conversation({question});
  body.ignore_eos = false;
  body.max_tokens = 600;
  body.tools = {{"see",
                 "",
                 {R"({"type":"object","properties":{"who":{"const":"thethe"},"n":{"const":"x"}},
                      "required":["who","n"],"additionalProperties":false})"},
                 ""}};
  body.tool_choice = {ToolChoice::Mode::required, "", false};
  // It would think without end: neither the token nor the letters of "<think>".
  body.sampling.logit_bias = {{'t', -50.f}, {'k', -200.f}, {testing::kThink, -200.f}};
  const Answer answer = driver.answer(body);
  ASSERT_TRUE(answer.done) << answer.failed->error.message;
  ASSERT_EQ(answer.done->finish_reason, FinishReason::tool_calls) << answer.text;
  ASSERT_EQ(answer.reasoning, "");
  Message sent = answer.message;
  ToolCall* call = nullptr;
  for (Block& block : sent.blocks) {
    block.tokens.clear();
    if (auto* found = std::get_if<ToolCall>(&block.content)) call = found;
  }
  ASSERT_TRUE(call);
  ASSERT_NE(call->arguments, R"({"n":"x","who":"thethe"})");
  call->arguments = R"({"n":"x","who":"thethe"})";
  Message result;
  result.role = Role::tool;
  result.blocks.emplace_back().content = ToolResult{call->id, "found", false};
  body.messages = {question, sent, result};
  body.max_tokens = 1;
  const Answer on = driver.answer(body);
  const size_t n_said = answer.done->usage.n_prompt + answer.tokens.size();
  EXPECT_THAT(on.done->usage.n_cached, CoversAllOf(n_said));
  EXPECT_FALSE(on.done->divergence);

  call->arguments = R"({"n":"y","who":"thethe"})";
  body.messages = {question, sent, result};
  EXPECT_TRUE(driver.answer(body).done->divergence) << "another call";
}

TEST_F(PromptTest, ABarePromptGoesOnAsItWasSampled) {
  const Answer answer = said(greedy("Say: ", 4));
  CompletionRequest body = greedy("Say: " + answer.text + " the end", 4);
  const Answer on = driver.answer(body);
  EXPECT_EQ(on.done->usage.n_prompt, 5 + kSaid + 8);
  EXPECT_THAT(on.done->usage.n_cached, CoversAllOf(5 + kSaid));
}

TEST_F(PromptTest, WhatAStopStringCutOffDoesNotComeBack) {
  CompletionRequest body = repeating(conversation({question}));
  body.stop = {"thethethet"};
  const Answer answer = driver.answer(body);
  EXPECT_EQ(answer.text, "");
  const Answer on =
      driver.answer(conversation({question, text_message(Role::assistant, answer.text), next}));
  const uint32_t n_anew =
      driver.answer(conversation({question, text_message(Role::assistant, ""), next}))
          .done->usage.n_prompt;
  EXPECT_EQ(on.done->usage.n_prompt, n_anew);
}

TEST(RecentAnswers, AreFoundByTextAndTrust) {
  const std::vector<Message> messages{text_message(Role::user, "q"),
                                      text_message(Role::assistant, "a")};
  RecentAnswers answers;
  answers.add({{"<u>q<a>", {{3, 4}}}, 1, messages[1], {1, 2, 3, 4}, 3});
  const auto finds = [&](jinja::Rendered prompt) {
    return answers.find(prompt, messages) != nullptr;
  };
  EXPECT_TRUE(finds({"<u>q<a>a</a>", {{3, 4}, {7, 8}}}));
  EXPECT_FALSE(finds({"<u>q<a>a</a>", {{3, 8}}})) << "<a> was written by a user";
  EXPECT_FALSE(finds({"<u>q<a>a</a>", {{7, 8}}})) << "q was written by the template";
  EXPECT_FALSE(finds({"<u>Q<a>a</a>", {{3, 4}, {7, 8}}}));
}

TEST(RecentAnswers, AreBounded) {
  const std::vector<Message> messages{text_message(Role::user, ""),
                                      text_message(Role::assistant, "a")};
  RecentAnswers answers;
  const auto long_text = [](char c) { return std::string(30u << 20, c); };
  for (char c : {'a', 'b', 'c'}) answers.add({{long_text(c), {}}, 1, messages[1], {}, 0});
  EXPECT_FALSE(answers.find({long_text('a'), {}}, messages));
  EXPECT_TRUE(answers.find({long_text('b'), {}}, messages));
  EXPECT_TRUE(answers.find({long_text('c'), {}}, messages));
}

}  // namespace
}  // namespace hearth::engine
