// Models with recurrent layers, in whole: what a conversation has read is not read again, though
// their states lie at ends alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inference/engine/engine_driver.h"
#include "inference/graph/golden.h"

namespace hearth::engine {
namespace {

using testing::Answer;
using testing::EngineDriver;
using testing::greedy;

// A family's fixture with the tiny model's vocabulary and template.
testing::ModelImage recurrent_model(const std::string& family) {
  testing::ModelImage image = testing::ModelImage::copy_of(testing::golden(family).file);
  testing::add_vocabulary(image);
  if (family == "lfm2")  // attention in every other layer
    image.keys["lfm2.attention.head_count_kv"] = std::vector<uint32_t>{0, 1};
  for (const char* name : {"token_embd.weight", "output.weight"}) {
    const auto at = image.tensors.find(name);
    if (at == image.tensors.end()) continue;
    testing::ModelImage::Tensor& matrix = at->second;
    matrix.dims[1] = testing::kTinyVocab;
    matrix.values.resize(matrix.dims[0] * matrix.dims[1]);
  }
  return image;
}

class RecurrentTurns : public ::testing::TestWithParam<const char*> {
 protected:
  const testing::ModelImage image = recurrent_model(GetParam());
  EngineDriver driver;

  void SetUp() override {
    const auto error = driver.load(image);
    ASSERT_FALSE(error) << error->message;
  }

  // The template opens the reasoning, and leaves it out of answers that are history. Letters alone
  // are said, so that the answer is all reasoning.
  static CompletionRequest thinking(std::vector<Message> messages, uint32_t max_tokens = 90) {
    CompletionRequest body = greedy("", max_tokens);
    body.prompt.reset();
    body.messages = std::move(messages);
    body.template_variables.text = R"({"think":true})";
    body.n_logprobs = 5;
    for (Token token = 0; token < static_cast<Token>(testing::kTinyVocab); ++token)
      if (token < 'a' || token > 'z') body.sampling.logit_bias.push_back({token, -100.f});
    return body;
  }
  static constexpr uint32_t kOpening = 2;  // tokens: "<think>" and a line break

  static Message said(Role role, size_t n_bytes, const std::string& begin) {
    std::string text = begin;
    for (size_t i = 0; text.size() < n_bytes; ++i) text += static_cast<char>('a' + i * i % 23);
    return text_message(role, text);
  }
  static Message answered(const std::string& text) { return text_message(Role::assistant, text); }
  static Message tool_call(const std::string& id) {
    Message message;
    message.role = Role::assistant;
    message.blocks.emplace_back().content = ToolCall{id, "look", "{}"};
    return message;
  }
  static Message tool_result(const std::string& id, const std::string& text) {
    Message message;
    message.role = Role::tool;
    message.blocks.emplace_back().content = ToolResult{id, text};
    return message;
  }

  // Bit for bit what an engine says that has never seen the conversation.
  void expect_as_computed_anew(const CompletionRequest& body, const Answer& answer) {
    EngineDriver fresh;
    ASSERT_FALSE(fresh.load(image));
    const Answer anew = fresh.answer(body);
    ASSERT_TRUE(answer.done && anew.done);
    EXPECT_EQ(anew.done->usage.n_cached, 0u);
    EXPECT_EQ(answer.tokens, anew.tokens);
    ASSERT_EQ(answer.logprobs.size(), anew.logprobs.size());
    for (size_t i = 0; i < anew.logprobs.size(); ++i)
      EXPECT_EQ(answer.logprobs[i].chosen.logprob, anew.logprobs[i].chosen.logprob) << i;
  }
};

TEST_P(RecurrentTurns, AnAnswerThatWasRewrittenCostsItsOwnTokens) {
  // Ends of the first prompt everywhere in a page, at its border, too.
  for (size_t n_bytes = 100; n_bytes <= 164; n_bytes += 8) {
    const Message question = said(Role::user, n_bytes, std::to_string(n_bytes));
    const Answer first = driver.answer(thinking({question}));
    ASSERT_TRUE(first.done);
    ASSERT_EQ(first.reasoning.size(), 90u) << first.text;
    const CompletionRequest body =
        thinking({question, answered("So it is."), text_message(Role::user, "And then?")});
    const Answer second = driver.answer(body);
    ASSERT_TRUE(second.done);
    EXPECT_EQ(second.done->usage.n_cached, first.done->usage.n_prompt - kOpening) << n_bytes;
    expect_as_computed_anew(body, second);
  }
}

TEST_P(RecurrentTurns, AnAnswerThatCameBackAsItWasIsNotReadAgain) {
  CompletionRequest body = thinking({said(Role::user, 130, "")});
  body.template_variables.text = "";
  const Answer first = driver.answer(body);
  ASSERT_TRUE(first.done);
  body.messages.push_back(answered(first.text));
  body.messages.push_back(text_message(Role::user, "And then?"));
  const Answer second = driver.answer(body);
  EXPECT_EQ(second.done->usage.n_cached,
            first.done->usage.n_prompt + first.done->usage.n_completion - 1);
  expect_as_computed_anew(body, second);
}

// While tools are called each answer is rewritten once; when the user speaks again, all of them may
// be.
TEST_P(RecurrentTurns, AllAnswersOfATurnMayBeRewrittenWhenItIsOver) {
  std::vector<Message> messages{said(Role::user, 150, "look ")};
  const uint32_t n_turn = driver.answer(thinking(messages)).done->usage.n_prompt - kOpening;
  uint32_t n_before = n_turn;
  for (int call = 0; call < 4; ++call) {
    const std::string id = std::to_string(call);
    messages.push_back(tool_call(id));
    messages.push_back(tool_result(id, std::string(70, 'r')));
    const Answer answer = driver.answer(thinking(messages));
    EXPECT_EQ(answer.done->usage.n_cached, n_before) << call;
    n_before = answer.done->usage.n_prompt - kOpening;
  }
  const CompletionRequest next =
      thinking({messages[0], answered("It is there."), text_message(Role::user, "Thanks")});
  const Answer answer = driver.answer(next);
  EXPECT_EQ(answer.done->usage.n_cached, n_turn);
  expect_as_computed_anew(next, answer);
}

// The ends of prompts take pages and states; there is always room for who comes.
TEST_P(RecurrentTurns, EndsOfPromptsAreForgottenWhenThereIsNoRoom) {
  ModelSettings settings{.n_context = 512};
  settings.memory_bytes = 64u << 10;
  const auto loads = [&](const std::string& name) { return !driver.load(image, settings, name); };
  driver.unload();
  driver.settle();
  while (!loads("tiny")) settings.memory_bytes += 64u << 10;
  const uint64_t pool = driver.snapshot().n_pages_total;
  std::vector<CompletionRequest> bodies;
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < 3 * pool; ++i) {
    bodies.push_back(thinking({said(Role::user, 60 + i % 50, std::to_string(i))}, 70));
    ids.push_back(driver.start(bodies.back()));
    if (i % 4 == 3) {
      ASSERT_TRUE(driver.run());
    }
  }
  ASSERT_TRUE(driver.run());
  EXPECT_LE(driver.snapshot().n_pages_used, pool);
  for (size_t i = 0; i < ids.size(); i += 7) {
    ASSERT_TRUE(driver.answers[ids[i]].done) << i;
    expect_as_computed_anew(bodies[i], driver.answers[ids[i]]);
  }
  // What was used last is still there.
  CompletionRequest last = bodies.back();
  last.messages.push_back(answered("Yes."));
  last.messages.push_back(text_message(Role::user, "Go on."));
  EXPECT_EQ(driver.answer(last).done->usage.n_cached,
            driver.answers[ids.back()].done->usage.n_prompt - kOpening);
}

INSTANTIATE_TEST_SUITE_P(Families, RecurrentTurns, ::testing::Values("lfm2", "qwen35", "qwen3next"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace hearth::engine
