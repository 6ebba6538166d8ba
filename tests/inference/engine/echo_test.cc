// Bare prompts given as ids, told again at the beginning of the answer, scored, or only read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "inference/engine/engine_driver.h"

namespace hearth::engine {
namespace {

using testing::Answer;
using testing::EngineDriver;
using testing::greedy;
using ::testing::HasSubstr;
using testing::tiny_model;

class EchoTest : public ::testing::Test {
 protected:
  EchoTest() {
    const auto error = driver.load(tiny_model());
    if (error) ADD_FAILURE() << error->message;
  }
  EngineDriver driver;
};

std::string words(size_t n_bytes) {
  std::string out;
  for (size_t i = 0; i < n_bytes; ++i)
    out += static_cast<char>('a' + static_cast<char>(i * 7 % 23));
  return out;
}

std::vector<Token> ids_of(std::string_view text) {  // the tiny model's tokens are bytes
  std::vector<Token> out;
  for (const char c : text) out.push_back(static_cast<unsigned char>(c));
  return out;
}

CompletionRequest of_ids(std::vector<Token> ids, uint32_t max_tokens) {
  CompletionRequest body = greedy("", max_tokens);
  body.prompt_tokens = std::move(ids);
  return body;
}

CompletionRequest scoring(std::vector<Token> ids) {
  CompletionRequest body = of_ids(std::move(ids), 0);
  body.only_reads = body.echoes_prompt = true;
  body.n_logprobs = 2;
  return body;
}

TEST_F(EchoTest, IdsContinueAsTheirTextDoes) {
  const Answer text = driver.answer(greedy("hello", 20));
  const Answer ids = driver.answer(of_ids(ids_of("hello"), 20));
  ASSERT_TRUE(ids.done);
  EXPECT_EQ(ids.tokens, text.tokens);
  EXPECT_EQ(ids.done->usage.n_prompt, 5u);
}

TEST_F(EchoTest, IdsOfNoTokenAreRefusedByNumber) {
  for (const Token id : {Token{-1}, static_cast<Token>(testing::kTinyVocab), Token{99999}}) {
    const Answer answer = driver.answer(of_ids({104, id}, 4));
    ASSERT_TRUE(answer.failed);
    EXPECT_EQ(answer.failed->error.code, Errc::invalid);
    EXPECT_THAT(answer.failed->error.message, HasSubstr("token " + std::to_string(id)));
  }
}

TEST_F(EchoTest, TheAnswerBeginsWithThePrompt) {
  const std::string prompt = "na\xC3\xAFve \xE2\x82\xAC " + words(300);
  const Answer plain = driver.answer(greedy(prompt, 10));
  CompletionRequest body = greedy(prompt, 10);
  body.echoes_prompt = true;
  const Answer answer = driver.answer(body);
  ASSERT_TRUE(answer.done);
  EXPECT_EQ(answer.text, prompt + plain.text);
  EXPECT_EQ(answer.done->usage.n_completion, 10u);
  EXPECT_EQ(answer.done->usage.n_cached, prompt.size() - 1) << "telling it computes nothing";
}

TEST_F(EchoTest, APromptThatIsOnlyReadHasNoAnswer) {
  CompletionRequest body = greedy("hello", 0);
  body.only_reads = true;
  const Answer answer = driver.answer(body);
  ASSERT_TRUE(answer.done);
  EXPECT_EQ(answer.text, "");
  EXPECT_EQ(answer.done->usage.n_completion, 0u);
  EXPECT_EQ(answer.done->finish_reason, FinishReason::length);
}

// What an answer's tokens were held for while it was made, bit for bit: whatever is cached, and
// however the prompt is cut.
TEST_F(EchoTest, APromptIsScoredAsTheAnswerThatItWas) {
  const std::string prompt = words(150);
  CompletionRequest body = greedy(prompt, 60);
  body.n_logprobs = 2;
  const Answer made = driver.answer(body);
  ASSERT_EQ(made.logprobs.size(), 60u);

  std::vector<Token> all = ids_of(prompt);
  all.insert(all.end(), made.tokens.begin(), made.tokens.end());
  const uint64_t beside = driver.start(greedy(words(40), 30));
  driver.engine.step();
  const uint64_t scored = driver.start(scoring(all));
  ASSERT_TRUE(driver.run());
  EXPECT_TRUE(driver.answers[beside].done);
  const Answer& answer = driver.answers[scored];
  ASSERT_TRUE(answer.done);
  EXPECT_EQ(answer.text, prompt + made.text);
  EXPECT_EQ(answer.done->usage.n_cached, 0u);
  EXPECT_EQ(answer.done->usage.n_completion, 0u);
  ASSERT_EQ(answer.logprobs.size(), all.size());
  EXPECT_TRUE(std::isnan(answer.logprobs[0].chosen.logprob)) << "nothing is before it";
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(answer.logprobs[i].chosen.token, all[i]) << i;
  for (size_t i = 0; i < made.logprobs.size(); ++i) {
    const TokenLogprob& one = answer.logprobs[prompt.size() + i];
    EXPECT_EQ(one.chosen.logprob, made.logprobs[i].chosen.logprob) << i;
    ASSERT_EQ(one.top.size(), 2u);
    EXPECT_EQ(one.top[1].logprob, made.logprobs[i].top[1].logprob) << i;
  }
}

TEST_F(EchoTest, AScoredPromptGoesOnIntoItsAnswer) {
  CompletionRequest body = scoring(ids_of("hello"));
  body.only_reads = false;
  body.max_tokens = 3;
  const Answer answer = driver.answer(body);
  ASSERT_TRUE(answer.done);
  EXPECT_EQ(answer.logprobs.size(), 5u + 3);
  EXPECT_EQ(answer.text, "hello" + driver.answer(greedy("hello", 3)).text);
  EXPECT_EQ(driver.answer(scoring({104})).logprobs.size(), 1u);
}

// A prompt of ids is no text that another prompt could begin with.
TEST_F(EchoTest, AnAnswerToIdsIsNotTakenForOnesOfText) {
  const Answer ids = driver.answer(of_ids(ids_of("hello"), 12));
  const Answer text = driver.answer(greedy(ids.text, 4));
  ASSERT_TRUE(text.done);
  EXPECT_EQ(text.done->usage.n_prompt, 12u);
}

}  // namespace
}  // namespace hearth::engine
