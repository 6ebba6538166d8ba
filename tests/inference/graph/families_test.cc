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
  ModelRunner runner(golden.file, {.element = cpu::KvElement::f16});
  const double error = testing::max_error_in_std(runner.logits_of(golden.tokens), golden.logits);
  EXPECT_LT(error, 1e-2);
  EXPECT_GT(error, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Golden, Families,
                         ::testing::Values("llama", "llama-tied", "llama-bias", "mistral", "qwen2",
                                           "qwen2-yarn", "qwen3"),
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
