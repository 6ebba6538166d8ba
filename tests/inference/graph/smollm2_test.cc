// A real model against llama.cpp's greedy answers to ten prompts. HEARTH_TEST_MODEL names the file
// SmolLM2-135M-Instruct.Q4_1.gguf (./dev test fetches it); without it these tests fail, because
// nothing else here runs real weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "inference/graph/model_runner.h"
#include "support/file.h"
#include "support/json.h"

namespace hearth {
namespace {

using testing::ModelRunner;

// A prompt with llama.cpp's continuation, and for each token of the continuation by how much its
// logit led the second best.
struct Answer {
  uint32_t n_prompt = 0;
  std::vector<Token> tokens;
  std::vector<double> margins;
  static void fields(auto& self, auto&& field) {
    field("n_prompt", self.n_prompt);
    field("tokens", self.tokens);
    field("margins", self.margins);
  }
};

// Below this lead, rounding decides: llama.cpp's own CPU variants disagree.
constexpr double kMargin = 0.1;

class SmolLm2 : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* path = std::getenv("HEARTH_TEST_MODEL");
    ASSERT_NE(path, nullptr) << "set HEARTH_TEST_MODEL to SmolLM2-135M-Instruct.Q4_1.gguf";
    Result<gguf::File> file = gguf::File::open(path);
    ASSERT_TRUE(file) << file.error().message;
    file_ = std::make_unique<gguf::File>(std::move(*file));

    const Result<std::string> text =
        file::read(std::string(HEARTH_TEST_DATA) + "/models/smollm2_greedy.json");
    ASSERT_TRUE(text) << text.error().message;
    Result<std::vector<Answer>> answers = json::decode<std::vector<Answer>>(*text);
    ASSERT_TRUE(answers) << answers.error().message;
    answers_ = std::move(*answers);
    ASSERT_EQ(answers_.size(), 10u);
  }

  // Teacher-forced: each position is given the reference's own past.
  void expect_same_choices(const ModelRunner::Options& options) {
    ModelRunner runner(*file_, options);
    const uint32_t n_vocab = runner.model().hparams().n_vocab;
    size_t n_compared = 0;
    for (const Answer& answer : answers_) {
      ASSERT_EQ(answer.tokens.size(), answer.n_prompt + answer.margins.size());
      const std::vector<float> logits = runner.logits_of(answer.tokens);
      for (size_t i = 0; i < answer.margins.size(); ++i) {
        if (answer.margins[i] < kMargin) continue;
        const auto row = std::span(logits).subspan((answer.n_prompt + i - 1) * n_vocab, n_vocab);
        EXPECT_EQ(std::ranges::max_element(row) - row.begin(), answer.tokens[answer.n_prompt + i])
            << "token " << i << " of the answer to prompt " << &answer - answers_.data()
            << ", where the reference led by " << answer.margins[i];
        ++n_compared;
      }
    }
    EXPECT_GT(n_compared, 200u);
  }

  std::unique_ptr<gguf::File> file_;
  std::vector<Answer> answers_;
};

TEST_F(SmolLm2, ChoosesWhatLlamaCppChooses) {
  expect_same_choices({.element = cpu::KvElement::f16, .n_pages = 64});
}

TEST_F(SmolLm2, ChoosesTheSameWithExactWeights) {
  expect_same_choices({.exact = true, .element = cpu::KvElement::f32, .n_pages = 64});
}

TEST_F(SmolLm2, EveryTensorIsUsed) {
  ModelRunner runner(*file_);
  EXPECT_TRUE(runner.model().unused_tensors().empty());
}

}  // namespace
}  // namespace hearth
