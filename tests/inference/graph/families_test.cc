// Every family against logits of another implementation (transformers), in float32.
#include <gtest/gtest.h>

#include "inference/graph/accuracy.h"
#include "inference/graph/golden.h"
#include "inference/graph/model_image.h"
#include "inference/graph/model_runner.h"

namespace hearth {
namespace {

using testing::Golden;
using testing::ModelRunner;

class Families : public ::testing::TestWithParam<const char*> {};

TEST_P(Families, LogitsAgreeWithTheReference) {
  const Golden golden = testing::golden(GetParam());
  ModelRunner runner(golden.file);
  EXPECT_TRUE(runner.model().unused_tensors().empty());
  const double error = testing::max_error_in_std(runner.logits_of(golden.tokens), golden.logits);
  RecordProperty("error_in_std", std::to_string(error));
  EXPECT_LT(error, 1e-5);
}

TEST_P(Families, ScalarPathAgreesToo) {
  const Golden golden = testing::golden(GetParam());
  ModelRunner runner(golden.file, {.path = cpu::Path::scalar});
  EXPECT_LT(testing::max_error_in_std(runner.logits_of(golden.tokens), golden.logits), 1e-5);
}

// The rounding of a half-precision cache is small, and it is there.
TEST_P(Families, HalfPrecisionCacheIsClose) {
  const Golden golden = testing::golden(GetParam());
  ModelRunner runner(golden.file, {.element = KvElement::f16});
  const double error = testing::max_error_in_std(runner.logits_of(golden.tokens), golden.logits);
  EXPECT_LT(error, 1e-2);
  EXPECT_GT(error, 1e-5);
}

// Windows, experts, sinks and all: neither how a prompt is cut, nor what is computed beside it, nor
// the number of threads shows in a single bit.
TEST_P(Families, ChunksNeighboursAndThreadsDoNotMatter) {
  const Golden golden = testing::golden(GetParam());
  const std::vector<float> alone =
      ModelRunner(golden.file, {.n_threads = 1}).logits_of(golden.tokens);
  ModelRunner runner(golden.file, {.n_threads = 3});
  EXPECT_TRUE(runner.logits_of(golden.tokens) == alone);
  for (const size_t chunk : {1u, 7u}) EXPECT_TRUE(runner.logits_of(golden.tokens, chunk) == alone);

  const std::vector<Token> other = testing::some_tokens(golden.tokens.size(), 300);
  const uint32_t first = runner.add_sequence(other.size());
  const uint32_t second = runner.add_sequence(golden.tokens.size());
  std::vector<float> together, logits;
  constexpr size_t kChunk = 9;
  for (size_t start = 0; start < other.size(); start += kChunk) {
    std::vector<BatchRow> rows;
    const size_t end = std::min(start + kChunk, other.size());
    for (size_t i = start; i < end; i += 2)  // the neighbour reads half as fast
      rows.push_back({other[i / 2], static_cast<uint32_t>(i / 2), first, false});
    for (size_t i = start; i < end; ++i)
      rows.push_back({golden.tokens[i], static_cast<uint32_t>(i), second, true});
    ASSERT_TRUE(runner.forward(rows, logits));
    together.insert(together.end(), logits.begin(), logits.end());
  }
  EXPECT_TRUE(together == alone);
}

INSTANTIATE_TEST_SUITE_P(Golden, Families,
                         ::testing::Values("ernie45", "ernie45moe", "gemma2", "gemma3", "glm4",
                                           "glm4moe", "gpt-oss", "granite", "hunyuan", "llama",
                                           "llama-bias", "llama-tied", "minimax-m2", "ministral3",
                                           "mistral", "olmo2", "olmo3", "olmoe", "phi3", "qwen2",
                                           "qwen2-yarn", "qwen2moe", "qwen3", "qwen3moe",
                                           "seed-oss", "smollm3", "starcoder2"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// A test that could not fail would prove nothing: the reference notices each of these.
TEST(FamiliesCheck, ReferenceNoticesEveryPartOfTheModel) {
  const auto error_without = [](const char* name, const auto& change) {
    const Golden golden = testing::golden(name);
    testing::ModelImage image = testing::ModelImage::copy_of(golden.file);
    change(image);
    const testing::OpenImage open(image);
    ModelRunner runner(open.file());
    return testing::max_error_in_std(runner.logits_of(golden.tokens), golden.logits);
  };
  EXPECT_LT(error_without("llama", [](auto&) {}), 1e-5) << "an unchanged copy still agrees";
  EXPECT_GT(error_without("llama", [](auto& m) { m.tensors.erase("rope_freqs.weight"); }), 1e-2);
  EXPECT_GT(error_without("llama-bias", [](auto& m) { m.tensors.erase("blk.1.ffn_up.bias"); }),
            1e-2);
  EXPECT_GT(error_without("llama-bias", [](auto& m) { m.tensors.erase("blk.1.attn_output.bias"); }),
            1e-2);
  EXPECT_GT(error_without("qwen2", [](auto& m) { m.tensors.erase("blk.0.attn_v.bias"); }), 1e-2);
  EXPECT_GT(error_without("qwen2moe",
                          [](auto& m) {
                            for (float& w : m.tensors.at("blk.0.ffn_down_shexp.weight").values)
                              w = 0;
                          }),
            1e-2);
  EXPECT_GT(error_without("gpt-oss",
                          [](auto& m) {
                            for (float& w : m.tensors.at("blk.0.attn_sinks.weight").values) w = -50;
                          }),
            1e-2);
  EXPECT_GT(error_without("gpt-oss", [](auto& m) { m.tensors.erase("blk.0.ffn_up_exps.bias"); }),
            1e-2);
  EXPECT_GT(
      error_without("gemma3", [](auto& m) { m.keys["gemma3.attention.sliding_window"] = 17u; }),
      1e-2);
  EXPECT_GT(error_without("minimax-m2",
                          [](auto& m) {
                            for (float& b : m.tensors.at("blk.0.exp_probs_b.bias").values) b = -b;
                          }),
            1e-2);
  EXPECT_GT(error_without("qwen2-yarn", [](auto& m) { m.keys.erase("qwen2.rope.scaling.type"); }),
            1e-2);
  EXPECT_GT(error_without("qwen3",
                          [](auto& m) {
                            for (float& w : m.tensors.at("blk.0.attn_q_norm.weight").values) w = 1;
                          }),
            1e-2);
}

}  // namespace
}  // namespace hearth
