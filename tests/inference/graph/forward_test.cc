#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "graph/model.h"
#include "inference/graph/golden.h"
#include "inference/graph/model_image.h"
#include "inference/graph/model_runner.h"

namespace hearth {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::ModelImage;
using testing::ModelRunner;
using testing::OpenImage;

constexpr uint32_t kVocab = 96;

// Models of each kind of arithmetic: the claims below hold for all of them, bit for bit.
struct Case {
  const char* name;
  gguf::Type type;
  KvElement element;
};

class ForwardBits : public ::testing::TestWithParam<Case> {
 protected:
  ForwardBits()
      : image_([] {
          ModelImage image = ModelImage::random({.n_layers = 2,
                                                 .width = 256,
                                                 .n_heads = 4,
                                                 .n_kv_heads = 2,
                                                 .head_dim = 64,
                                                 .n_ff = 512,
                                                 .n_vocab = kVocab});
          image.quantize(GetParam().type);
          return image;
        }()) {}

  ModelRunner runner() { return ModelRunner(image_.file(), {.element = GetParam().element}); }

  const OpenImage image_;
  const std::vector<Token> tokens_ = testing::some_tokens(150, kVocab);
};

TEST_P(ForwardBits, ChunksOfAPromptGiveWhatOneBatchGives) {
  ModelRunner runner = this->runner();
  const std::vector<float> whole = runner.logits_of(tokens_);
  for (const size_t chunk : {1u, 7u, 64u, 100u})
    EXPECT_TRUE(runner.logits_of(tokens_, chunk) == whole) << "chunks of " << chunk;
}

TEST_P(ForwardBits, ASequenceInABatchGivesWhatItGivesAlone) {
  ModelRunner runner = this->runner();
  const std::vector<Token> others[] = {testing::some_tokens(40, kVocab, 1),
                                       testing::some_tokens(90, kVocab, 2)};
  const std::vector<float> alone = runner.logits_of(tokens_);
  const uint32_t sequence = runner.add_sequence(tokens_.size());
  const uint32_t neighbours[] = {runner.add_sequence(40), runner.add_sequence(90)};

  // Batches of uneven pieces of three sequences, ours in the middle; one neighbour ends early.
  std::vector<float> together, logits;
  size_t at = 0, round = 0;
  while (at < tokens_.size()) {
    std::vector<BatchRow> rows;
    const auto take = [&](const std::vector<Token>& tokens, size_t start, size_t n, uint32_t s,
                          bool wanted) {
      for (size_t i = start; i < std::min(start + n, tokens.size()); ++i)
        rows.push_back({tokens[i], static_cast<uint32_t>(i), s, wanted});
    };
    const size_t step = 1 + (round * 5) % 23;
    take(others[0], round * 3, 3, neighbours[0], false);
    take(tokens_, at, step, sequence, true);
    take(others[1], round, 1, neighbours[1], false);
    ASSERT_TRUE(runner.forward(rows, logits));
    together.insert(together.end(), logits.begin(), logits.end());
    at += step;
    ++round;
  }
  EXPECT_TRUE(together == alone);
}

TEST_P(ForwardBits, ThreadsDoNotMatter) {
  const ModelRunner::Options one{.element = GetParam().element, .n_threads = 1};
  const ModelRunner::Options three{.element = GetParam().element, .n_threads = 3};
  EXPECT_TRUE(ModelRunner(image_.file(), one).logits_of(tokens_) ==
              ModelRunner(image_.file(), three).logits_of(tokens_));
}

TEST_P(ForwardBits, ASharedPrefixGivesWhatItsOwnWouldGive) {
  ModelRunner runner = this->runner();
  const std::vector<float> alone = runner.logits_of(tokens_);
  // Another sequence that borrows the first two pages and computes only what follows.
  KvCache& cache = runner.cache();
  std::vector<std::vector<PageIndex>> tables(2);
  for (int i = 0; i < 3; ++i) tables[0].push_back(*cache.acquire());
  std::vector<BatchRow> rows;
  std::vector<float> logits;
  for (uint32_t i = 0; i < 128; ++i) rows.push_back({tokens_[i], i, 0, false});
  ASSERT_TRUE(runner.model().forward({rows, tables}, cache, logits));
  EXPECT_TRUE(logits.empty());
  tables[1] = {tables[0][0], tables[0][1], *cache.acquire()};
  rows.clear();
  for (uint32_t i = 128; i < tokens_.size(); ++i) rows.push_back({tokens_[i], i, 1, true});
  ASSERT_TRUE(runner.model().forward({rows, tables}, cache, logits));
  EXPECT_TRUE(std::ranges::equal(logits, std::span(alone).subspan(128 * kVocab)));
}

TEST_P(ForwardBits, OnlyWantedRowsGetLogitsAndTheSameOnes) {
  ModelRunner runner = this->runner();
  const std::vector<float> all = runner.logits_of(tokens_);
  const uint32_t sequence = runner.add_sequence(tokens_.size());
  std::vector<BatchRow> rows;
  for (uint32_t i = 0; i < tokens_.size(); ++i)
    rows.push_back({tokens_[i], i, sequence, i == 5 || i + 1 == tokens_.size()});
  std::vector<float> logits;
  ASSERT_TRUE(runner.forward(rows, logits));
  ASSERT_EQ(logits.size(), 2 * kVocab);
  EXPECT_TRUE(std::ranges::equal(std::span(logits).first(kVocab),
                                 std::span(all).subspan(5 * kVocab, kVocab)));
  EXPECT_TRUE(std::ranges::equal(std::span(logits).last(kVocab), std::span(all).last(kVocab)));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ForwardBits,
                         ::testing::Values(Case{"f32", gguf::Type::f32, KvElement::f32},
                                           Case{"f16", gguf::Type::f16, KvElement::i16},
                                           Case{"q8_0", gguf::Type::q8_0, KvElement::i8},
                                           Case{"q4_1", gguf::Type::q4_1, KvElement::i16},
                                           Case{"q4_k", gguf::Type::q4_k, KvElement::i16},
                                           Case{"q6_k", gguf::Type::q6_k, KvElement::i16}),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST(Forward, NonFiniteLogitsNameTheLayerWhereTheyBegan) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    ModelImage image = ModelImage::random({.n_layers = 4});
    image.tensors.at("blk.2.ffn_down.weight").values[3] = bad;
    const OpenImage open(image);
    ModelRunner runner(open.file());
    const uint32_t sequence = runner.add_sequence(3);
    const std::vector<BatchRow> rows{{1, 0, sequence, false}, {2, 1, sequence, true}};
    std::vector<float> logits;
    const Result<> done = runner.forward(rows, logits);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::internal);
    EXPECT_THAT(done.error().message,
                AllOf(HasSubstr("sequence 0 at position 1"), HasSubstr("first in layer 2")));
  }
}

TEST(Forward, NonFiniteOutputMatrixIsNamed) {
  ModelImage image = ModelImage::random();
  image.tensors.at("output.weight").values[40] = std::numeric_limits<float>::quiet_NaN();
  const OpenImage open(image);
  ModelRunner runner(open.file());
  const std::vector<BatchRow> rows{{1, 0, runner.add_sequence(1), true}};
  std::vector<float> logits;
  const Result<> done = runner.forward(rows, logits);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("first in the output matrix"));
}

TEST(Forward, AnotherSequenceIsUnharmedByOneThatIsNotFinite) {
  // Only token 5 is poisoned.
  ModelImage image = ModelImage::random();
  image.tensors.at("token_embd.weight").values[5 * 32] = std::numeric_limits<float>::infinity();
  const OpenImage open(image);
  ModelRunner runner(open.file());
  const uint32_t poisoned = runner.add_sequence(2), healthy = runner.add_sequence(2);
  std::vector<float> logits, again;
  const std::vector<BatchRow> both{{1, 0, healthy, true}, {5, 0, poisoned, true}};
  const Result<> done = runner.forward(both, logits);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("sequence 0 at position 0"));
  ASSERT_TRUE(runner.forward(std::span(both).first(1), again));
  EXPECT_EQ(again, runner.logits_of(std::vector<Token>{1}));
}

TEST(Forward, RowsThatDoNotFitAreRefusedBeforeAnythingIsComputed) {
  const OpenImage open(ModelImage::random());
  ModelRunner runner(open.file());
  const uint32_t sequence = runner.add_sequence(64);
  std::vector<float> logits;
  const auto refusal = [&](BatchRow row) {
    const Result<> done = runner.forward(std::span(&row, 1), logits);
    EXPECT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::invalid);
    return done.error().message;
  };
  EXPECT_THAT(refusal({-1, 0, sequence, true}), HasSubstr("token -1 of sequence 0"));
  EXPECT_THAT(refusal({96, 0, sequence, true}), HasSubstr("expected 0 to 95"));
  EXPECT_THAT(refusal({1, 64, sequence, true}), HasSubstr("position 64 of sequence 0"));
  EXPECT_THAT(refusal({1, 0, sequence + 1, true}), HasSubstr("sequence 1 of 1"));

  const std::vector<std::vector<PageIndex>> tables{{1000}};
  const BatchRow row{1, 0, 0, true};
  EXPECT_FALSE(runner.model().forward({{&row, 1}, tables}, runner.cache(), logits));
}

TEST(Forward, CacheOfAnotherModelIsRefused) {
  const OpenImage open(ModelImage::random());
  ModelRunner runner(open.file());
  Result<KvCache> other = KvCache::create(
      {.layers = std::vector<KvLayer>(2, {2, 16, 16}), .element = KvElement::f32}, 4);
  const std::vector<std::vector<PageIndex>> tables{{0}};
  const BatchRow row{1, 0, 0, true};
  std::vector<float> logits;
  EXPECT_FALSE(runner.model().forward({{&row, 1}, tables}, *other, logits));
}

TEST(Forward, EmptyBatchGivesNoLogits) {
  const OpenImage open(ModelImage::random());
  ModelRunner runner(open.file());
  std::vector<float> logits{1, 2, 3};
  EXPECT_TRUE(runner.forward({}, logits));
  EXPECT_TRUE(logits.empty());
}

TEST(Forward, WorkspaceIsStatedForABatch) {
  const OpenImage open(ModelImage::random());
  ModelRunner runner(open.file());
  // x, h: 32; angles: 16; gate, up: 64, which is more than q, context: 32 and k, v: 16
  EXPECT_EQ(workspace_bytes(runner.model().plan(), 10), 10u * (2 * 32 + 16 + 2 * 64) * 4);
}

}  // namespace
}  // namespace hearth
