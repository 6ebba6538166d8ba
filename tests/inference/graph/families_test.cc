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

// Of the logits' standard deviation. Delta nets add up over many positions and Gemma 4 does not
// divide its scores, so that rounding weighs more there: four are compared with float64, and bound
// by twice what transformers itself is off in float32.
double tolerance(std::string_view name) {
  constexpr double kMost = 1e-4;
  constexpr std::pair<std::string_view, double> kFloat32[] = {
      {"gemma4", 7.5e-6}, {"qwen35", 9.4e-6}, {"qwen35moe", 1.9e-5}, {"qwen3next", 7.5e-5}};
  for (const auto& [family, error] : kFloat32)
    if (name == family) return std::min(kMost, 2 * error);
  return name.starts_with("gemma4") ? kMost : 1e-5;
}

class Families : public ::testing::TestWithParam<const char*> {};

TEST_P(Families, LogitsAgreeWithTheReference) {
  const Golden golden = testing::golden(GetParam());
  ModelRunner runner(golden.file);
  EXPECT_TRUE(runner.model().unused_tensors().empty());
  const double error = testing::max_error_in_std(runner.logits_of(golden.tokens), golden.logits);
  RecordProperty("error_in_std", std::to_string(error));
  EXPECT_LT(error, tolerance(GetParam()));
}

TEST_P(Families, ScalarPathAgreesToo) {
  const Golden golden = testing::golden(GetParam());
  ModelRunner runner(golden.file, {.path = cpu::Path::scalar});
  EXPECT_LT(testing::max_error_in_std(runner.logits_of(golden.tokens), golden.logits),
            tolerance(GetParam()));
}

// The rounding of a half-precision cache is small, and it is there.
TEST_P(Families, HalfPrecisionCacheIsClose) {
  const Golden golden = testing::golden(GetParam());
  ModelRunner runner(golden.file, {.element = KvElement::i16});
  const double error = testing::max_error_in_std(runner.logits_of(golden.tokens), golden.logits);
  EXPECT_LT(error, 1e3 * std::max(tolerance(GetParam()), 1e-5));
  EXPECT_GT(error, 1e-5);
}

// Windows, experts, sinks and all: neither how a prompt is cut, nor what is computed beside it, nor
// the number of threads shows in a single bit.
TEST_P(Families, ChunksNeighboursAndThreadsDoNotMatter) {
  const Golden golden = testing::golden(GetParam());
  for (const KvElement element : {KvElement::f32, KvElement::i16}) {
    const std::vector<float> alone =
        ModelRunner(golden.file, {.element = element, .n_threads = 1}).logits_of(golden.tokens);
    ModelRunner runner(golden.file, {.element = element, .n_threads = 3});
    EXPECT_TRUE(runner.logits_of(golden.tokens) == alone);
    for (const size_t chunk : {1u, 7u})
      EXPECT_TRUE(runner.logits_of(golden.tokens, chunk) == alone);

    const std::vector<Token> other = testing::some_tokens(golden.tokens.size(), 300);
    const uint32_t first = runner.add_sequence(other.size());
    const uint32_t second = runner.add_sequence(golden.tokens.size());
    std::vector<float> together, logits;
    constexpr size_t kChunk = 9;
    uint32_t n_other = 0;
    for (size_t start = 0; start < other.size(); start += kChunk) {
      std::vector<BatchRow> rows;
      const size_t end = std::min(start + kChunk, other.size());
      for (; n_other < end / 2; ++n_other)  // the neighbour reads half as fast
        rows.push_back({other[n_other], n_other, first, false});
      for (size_t i = start; i < end; ++i)
        rows.push_back({golden.tokens[i], static_cast<uint32_t>(i), second, true});
      ASSERT_TRUE(runner.forward(rows, logits));
      together.insert(together.end(), logits.begin(), logits.end());
    }
    EXPECT_TRUE(together == alone);
  }
}

// What another sequence wrote behind the tokens that it shares does not show, wherever it parts.
TEST_P(Families, ACopyOfAPageGoesOnFromAnyToken) {
  const Golden golden = testing::golden(GetParam());
  ModelRunner runner(golden.file, {.element = KvElement::i16});
  KvCache& cache = runner.cache();
  if (cache.shape().has_states()) return;  // whole pages only: state_test
  constexpr size_t kTokens = 2 * kPageTokens + 5;
  const uint32_t n_vocab = runner.model().plan().n_vocab;
  const std::vector<Token> tokens = testing::some_tokens(kTokens, n_vocab, 7);
  const std::vector<Token> others = testing::some_tokens(kTokens, n_vocab, 8);
  const auto run = [&](std::span<const Token> text, const std::vector<PageIndex>& table,
                       size_t first, size_t end) {
    std::vector<BatchRow> rows;
    for (size_t i = first; i < end; ++i)
      rows.push_back({text[i], static_cast<uint32_t>(i), 0, true});
    const std::vector<std::vector<PageIndex>> tables{table};
    std::vector<float> logits;
    EXPECT_TRUE(runner.model().forward({rows, tables}, cache, logits));
    return logits;
  };
  const auto new_page = [&] {
    const PageIndex page = *cache.acquire();
    EXPECT_TRUE(cache.hold_window(page));
    return page;
  };
  const std::vector<PageIndex> known{new_page(), new_page(), new_page()};
  const std::vector<PageIndex> own{known[0], new_page(), new_page()};
  const std::vector<float> whole = run(tokens, known, 0, kTokens);
  for (size_t n_shared = 2 * kPageTokens; --n_shared > kPageTokens;) {
    run(others, known, n_shared, n_shared + 1);
    cache.copy(known[1], own[1]);
    const std::vector<float> rest = run(tokens, own, n_shared, kTokens);
    const auto expected = std::span(whole).subspan(n_shared * whole.size() / kTokens);
    ASSERT_TRUE(std::ranges::equal(rest, expected)) << n_shared;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, Families,
                         ::testing::Values("apertus", "deepseek2-groups", "deepseek2-lite",
                                           "deepseek3-yarn", "ernie45", "ernie45moe", "gemma2",
                                           "gemma3", "gemma4", "gemma4-e", "gemma4-moe", "glm4",
                                           "glm4moe", "glm4moelite", "gpt-oss", "granite",
                                           "hunyuan", "kimi-k2", "lfm2", "llama", "llama-bias",
                                           "llama-tied", "minimax-m2", "ministral3", "mistral",
                                           "olmo2", "olmo3", "olmoe", "phi3", "qwen2", "qwen2-yarn",
                                           "qwen2moe", "qwen3", "qwen35", "qwen35moe", "qwen3moe",
                                           "qwen3next", "seed-oss", "smollm3", "starcoder2"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// Rows of a matrix in another order: row i of the result is row order(i).
template <class Order>
std::vector<float> reordered(const std::vector<float>& matrix, size_t cols, const Order& order) {
  std::vector<float> out;
  for (size_t i = 0; i < matrix.size() / cols; ++i) {
    const auto row = matrix.begin() + static_cast<ptrdiff_t>(order(i) * cols);
    out.insert(out.end(), row, row + static_cast<ptrdiff_t>(cols));
  }
  return out;
}

// Files from before the projections of keys and values were split have them as attn_kv_b.
TEST(OldFiles, LatentAttentionWithOneProjectionGivesTheSame) {
  const Golden golden = testing::golden("deepseek2-lite");
  testing::ModelImage image = testing::ModelImage::copy_of(golden.file);
  constexpr size_t kHeads = 2, kNope = 16, kLatent = 32, kV = 16;
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    const auto k_up = image.tensors.at(layer + "attn_k_b.weight").values;
    const auto v_up = image.tensors.at(layer + "attn_v_b.weight").values;
    testing::ModelImage::Tensor both{.dims = {kLatent, kHeads * (kNope + kV)}, .values = {}};
    for (size_t head = 0; head < kHeads; ++head) {
      for (size_t i = 0; i < kNope; ++i)
        for (size_t c = 0; c < kLatent; ++c)
          both.values.push_back(k_up[(head * kLatent + c) * kNope + i]);
      const auto v = v_up.begin() + static_cast<ptrdiff_t>(head * kV * kLatent);
      both.values.insert(both.values.end(), v, v + kV * kLatent);
    }
    image.tensors[layer + "attn_kv_b.weight"] = both;
    image.tensors.erase(layer + "attn_k_b.weight");
    image.tensors.erase(layer + "attn_v_b.weight");
  }
  image.keys["deepseek2.attention.head_count_kv"] = uint32_t{kHeads};
  const testing::OpenImage open(image);
  ModelRunner runner(open.file());
  EXPECT_EQ(runner.cache().shape().layers[0].n_kv_heads, kHeads);
  EXPECT_LT(testing::max_error_in_std(runner.logits_of(golden.tokens), golden.logits), 1e-5);
}

// Older Qwen3-Next files have q, k, v and z of each key head together, as ssm_in.
TEST(OldFiles, DeltaNetWithOneProjectionGivesTheSame) {
  const Golden golden = testing::golden("qwen3next");
  testing::ModelImage image = testing::ModelImage::copy_of(golden.file);
  constexpr size_t kWidth = 32, kDim = 16, kKeyHeads = 2, kRatio = 2;
  constexpr size_t kKeys = kKeyHeads * kDim, kValues = kRatio * kKeys;
  constexpr size_t kGroup = 2 * kDim * (1 + kRatio);
  for (const std::string layer : {"blk.0.", "blk.1.", "blk.2."}) {
    auto rows = image.tensors.at(layer + "attn_qkv.weight").values;
    const auto z = image.tensors.at(layer + "attn_gate.weight").values;
    rows.insert(rows.end(), z.begin(), z.end());
    const auto order = [](size_t i) {
      const size_t head = i / kGroup, at = i % kGroup;
      if (at < kDim) return head * kDim + at;
      if (at < 2 * kDim) return kKeys + head * kDim + at - kDim;
      const size_t v = at - 2 * kDim;
      if (v < kRatio * kDim) return 2 * kKeys + head * kRatio * kDim + v;
      return 2 * kKeys + kValues + head * kRatio * kDim + v - kRatio * kDim;
    };
    image.tensors[layer + "ssm_in.weight"] = {.dims = {kWidth, 2 * kKeys + 2 * kValues},
                                              .values = reordered(rows, kWidth, order)};
    image.tensors.erase(layer + "attn_qkv.weight");
    image.tensors.erase(layer + "attn_gate.weight");
  }
  const testing::OpenImage open(image);
  ModelRunner runner(open.file());
  EXPECT_LT(testing::max_error_in_std(runner.logits_of(golden.tokens), golden.logits), 1e-4);
}

// NVFP4 files have a factor beside each matrix, or one for each expert.
TEST(Factors, BesideAMatrixMultiplyItsProducts) {
  for (const char* name : {"llama-bias", "qwen3moe", "gpt-oss", "deepseek3-yarn", "qwen35moe"}) {
    const Golden golden = testing::golden(name);
    testing::ModelImage image = testing::ModelImage::copy_of(golden.file);
    std::map<std::string, testing::ModelImage::Tensor> factors;
    for (auto& [tensor_name, tensor] : image.tensors) {
      constexpr std::string_view kSuffix = ".weight";
      if (tensor.dims.size() < 2 || !tensor_name.ends_with(kSuffix) ||
          tensor_name.find("conv1d") != std::string::npos)
        continue;
      const size_t n = tensor.dims.size() == 3 ? tensor.dims[2] : 1;
      testing::ModelImage::Tensor& factor =
          factors[tensor_name.substr(0, tensor_name.size() - kSuffix.size()) + ".scale"];
      factor.dims = {n};
      for (size_t i = 0; i < n; ++i) factor.values.push_back(static_cast<float>(2 << i % 3));
      for (size_t i = 0; i < tensor.values.size(); ++i)
        tensor.values[i] /= factor.values[i * n / tensor.values.size()];
    }
    ASSERT_GT(factors.size(), 4u);
    image.tensors.merge(factors);
    const testing::OpenImage open(image);
    ModelRunner runner(open.file());
    EXPECT_LT(testing::max_error_in_std(runner.logits_of(golden.tokens), golden.logits), 1e-4)
        << name;
  }
}

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
