// Embeddings of texts against those of another implementation (transformers), in float32.
#include "graph/embedding.h"

#include <gtest/gtest.h>

#include "inference/graph/golden.h"
#include "inference/graph/model_runner.h"

namespace hearth {
namespace {

using testing::ModelRunner;

class Embedding : public ::testing::TestWithParam<const char*> {
 protected:
  static Result<std::vector<float>> embed(ModelRunner& runner, std::span<const Token> tokens) {
    std::vector<PageIndex> pages;
    for (size_t i = 0; i < std::max<size_t>(tokens.size(), 1); i += kPageTokens) {
      pages.push_back(*runner.cache().acquire());
      runner.cache().hold_window(pages.back());
    }
    return embedding_of(runner.model(), runner.cache(), pages, tokens);
  }
};

TEST_P(Embedding, AgreesWithTheReference) {
  const testing::Golden golden = testing::golden_embedding(GetParam());
  ModelRunner runner(golden.file);
  EXPECT_TRUE(runner.model().unused_tensors().empty());
  const auto got = embed(runner, golden.tokens);
  ASSERT_TRUE(got) << got.error().message;
  ASSERT_EQ(got->size(), golden.logits.size());
  for (size_t i = 0; i < got->size(); ++i) EXPECT_NEAR((*got)[i], golden.logits[i], 2e-6) << i;
}

TEST_P(Embedding, TellsAnotherTextApart) {
  const testing::Golden golden = testing::golden_embedding(GetParam());
  ModelRunner runner(golden.file);
  std::vector<Token> other = golden.tokens;
  std::swap(other[1], other.back());
  const auto got = embed(runner, other);
  ASSERT_TRUE(got);
  double dot = 0;
  for (size_t i = 0; i < got->size(); ++i) dot += double{(*got)[i]} * golden.logits[i];
  EXPECT_LT(dot, 0.9999);
}

TEST_P(Embedding, RefusesWhatItCannotEmbed) {
  const testing::Golden golden = testing::golden_embedding(GetParam());
  ModelRunner runner(golden.file);
  EXPECT_EQ(embed(runner, {}).error().code, Errc::invalid);
  const std::vector<Token> many(runner.model().plan().n_context_train + 1, 5);
  EXPECT_EQ(embedding_of(runner.model(), runner.cache(), {}, many).error().code,
            Errc::context_exceeded);
}

INSTANTIATE_TEST_SUITE_P(Golden, Embedding, ::testing::Values("bert", "qwen3-embed"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(EmbeddingModel, HasNoLogits) {
  const testing::Golden golden = testing::golden_embedding("bert");
  ModelRunner runner(golden.file);
  const uint32_t sequence = runner.add_sequence(1);
  std::vector<float> logits;
  const std::vector<BatchRow> rows{{5, 0, sequence, true}};
  EXPECT_EQ(runner.forward(rows, logits).error().code, Errc::unsupported);
}

}  // namespace
}  // namespace hearth
