#include "graph/hparams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "inference/graph/model_image.h"

namespace hearth {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::ModelImage;
using testing::OpenImage;
using Strings = std::vector<std::string>;
using Uints = std::vector<uint32_t>;

HParams read(const ModelImage& image) {
  const OpenImage open(image);
  const Result<HParams> hparams = HParams::read(open.file());
  EXPECT_TRUE(hparams) << (hparams ? "" : hparams.error().message);
  return hparams ? *hparams : HParams{};
}

// The error of the random model with one key changed (or taken away, when there is no value).
Error refusal(const std::string& key, std::optional<ModelImage::Key> value) {
  ModelImage image = ModelImage::random();
  image.keys.erase(key);
  if (value) image.keys[key] = *value;
  const OpenImage open(image);
  const Result<HParams> hparams = HParams::read(open.file());
  EXPECT_FALSE(hparams) << key;
  const Error error = hparams ? Error{} : hparams.error();
  EXPECT_THAT(error.message, AllOf(HasSubstr("test.gguf"), HasSubstr(key)));
  return error;
}

TEST(HParams, ReadsSizes) {
  const HParams hp = read(ModelImage::random());
  EXPECT_EQ(hp.architecture, "llama");
  EXPECT_EQ(hp.n_layers, 2u);
  EXPECT_EQ(hp.n_context_train, 2048u);
  EXPECT_EQ(hp.width, 32u);
  EXPECT_EQ(hp.n_vocab, 96u);
  EXPECT_EQ(hp.n_heads, 2u);
  EXPECT_EQ(hp.n_kv_heads, 1u);
  EXPECT_EQ(hp.head_dim, 16u);
  EXPECT_EQ(hp.n_ff, 64u);
  EXPECT_FLOAT_EQ(hp.norm_eps, 1e-5f);
}

TEST(HParams, FillsInDefaults) {
  ModelImage image = ModelImage::random();
  for (const char* key : {"head_count_kv", "key_length", "value_length"})
    image.keys.erase(std::string("llama.attention.") + key);
  const HParams hp = read(image);
  EXPECT_EQ(hp.n_kv_heads, 2u);  // as many as query heads
  EXPECT_EQ(hp.head_dim, 16u);   // width / heads
  EXPECT_EQ(hp.n_rot, 16u);      // the whole head
  EXPECT_FLOAT_EQ(hp.attention_scale, 0.25f);
  EXPECT_FLOAT_EQ(hp.rope_base, 10000.f);
  EXPECT_EQ(hp.rope_scaling, RopeScaling::none);
  EXPECT_EQ(hp.rope_original_context, 2048u);
}

TEST(HParams, TakesOverridesOfScaleAndRotation) {
  ModelImage image = ModelImage::random();
  image.keys["llama.attention.scale"] = 0.0625f;
  image.keys["llama.rope.dimension_count"] = 8u;
  image.keys["llama.rope.freq_base"] = 1e6f;
  const HParams hp = read(image);
  EXPECT_FLOAT_EQ(hp.attention_scale, 0.0625f);
  EXPECT_EQ(hp.n_rot, 8u);
  EXPECT_FLOAT_EQ(hp.rope_base, 1e6f);
}

TEST(HParams, TakesIntegersOfAnyWidthAndUniformArrays) {
  ModelImage image = ModelImage::random();
  image.keys["llama.block_count"] = int64_t{2};
  image.keys["llama.attention.head_count_kv"] = Uints{1, 1};
  const HParams hp = read(image);
  EXPECT_EQ(hp.n_layers, 2u);
  EXPECT_EQ(hp.n_kv_heads, 1u);
}

TEST(HParams, RefusesArraysThatDifferByLayer) {
  const Error error = refusal("llama.attention.head_count_kv", Uints{1, 2});
  EXPECT_EQ(error.code, Errc::unsupported);
  EXPECT_THAT(error.message, HasSubstr("1 in layer 0, 2 in layer 1"));
  EXPECT_EQ(refusal("llama.attention.head_count_kv", Uints{}).code, Errc::corrupt);
  EXPECT_EQ(refusal("llama.attention.head_count_kv", Strings{"1", "1"}).code, Errc::corrupt);
}

TEST(HParams, RefusesMissingZeroAndAbsurdSizes) {
  for (const char* key : {"block_count", "context_length", "embedding_length",
                          "feed_forward_length", "attention.head_count"}) {
    const std::string full = std::string("llama.") + key;
    EXPECT_THAT(refusal(full, std::nullopt).message, HasSubstr("is missing"));
    EXPECT_THAT(refusal(full, 0u).message, HasSubstr("is 0, expected 1 to"));
    EXPECT_THAT(refusal(full, int64_t{-1}).message, HasSubstr("is -1"));
    EXPECT_THAT(refusal(full, int64_t{1} << 40).message, HasSubstr("is 1099511627776"));
    EXPECT_THAT(refusal(full, std::string("two")).message, HasSubstr("string"));
  }
}

TEST(HParams, RefusesHeadsThatDoNotDivide) {
  EXPECT_THAT(refusal("llama.attention.head_count_kv", 3u).message,
              HasSubstr("is 3, which does not divide head_count 2"));
  ModelImage image = ModelImage::random();
  image.keys.erase("llama.attention.key_length");
  image.keys.erase("llama.attention.value_length");
  image.keys["llama.attention.head_count"] = 5u;
  EXPECT_FALSE(HParams::read(OpenImage(image).file()));
}

TEST(HParams, RefusesNumbersThatCannotBe) {
  const auto nan = std::numeric_limits<float>::quiet_NaN();
  const auto infinity = std::numeric_limits<float>::infinity();
  refusal("llama.attention.layer_norm_rms_epsilon", std::nullopt);
  refusal("llama.attention.layer_norm_rms_epsilon", nan);
  refusal("llama.attention.layer_norm_rms_epsilon", -1e-5f);
  refusal("llama.attention.scale", infinity);
  refusal("llama.rope.freq_base", 0.f);
  refusal("llama.rope.freq_base", std::string("1e6"));
  refusal("llama.rope.scaling.factor", -2.f);
  refusal("llama.rope.dimension_count", 7u);
  refusal("llama.rope.dimension_count", 18u);
}

TEST(HParams, RefusesLayoutsThatItDoesNotKnow) {
  EXPECT_EQ(refusal("llama.attention.value_length", 8u).code, Errc::unsupported);
  const Error error = refusal("llama.rope.scaling.type", std::string("longrope"));
  EXPECT_EQ(error.code, Errc::unsupported);
  EXPECT_THAT(error.message, HasSubstr("is 'longrope', expected none, linear or yarn"));
}

TEST(HParams, FactorWithoutTypeMeansLinear) {
  ModelImage image = ModelImage::random();
  image.keys["llama.rope.scaling.factor"] = 4.f;
  EXPECT_EQ(read(image).rope_scaling, RopeScaling::linear);
  EXPECT_FLOAT_EQ(read(image).rope_factor, 4.f);
  image.keys["llama.rope.scaling.type"] = std::string("none");
  EXPECT_EQ(read(image).rope_scaling, RopeScaling::none);
}

TEST(HParams, YarnScalesCosAndSin) {
  ModelImage image = ModelImage::random();
  image.keys["llama.rope.scaling.type"] = std::string("yarn");
  image.keys["llama.rope.scaling.factor"] = 4.f;
  image.keys["llama.rope.scaling.original_context_length"] = 512u;
  EXPECT_EQ(read(image).rope_original_context, 512u);
  EXPECT_FLOAT_EQ(read(image).yarn_attn_factor, 1.f + 0.1f * std::log(4.f));
  image.keys["llama.rope.scaling.yarn_log_multiplier"] = 1.f;  // the two terms cancel
  EXPECT_FLOAT_EQ(read(image).yarn_attn_factor, 1.f);
  image.keys["llama.rope.scaling.yarn_attn_factor"] = 1.25f;  // said outright
  EXPECT_FLOAT_EQ(read(image).yarn_attn_factor, 1.25f);
}

TEST(HParams, VocabularyMayBePaddedButNotCutShort) {
  ModelImage image = ModelImage::random();
  image.keys["tokenizer.ggml.tokens"] = Strings(90, "t");
  EXPECT_EQ(read(image).n_vocab, 96u);
  image.keys["tokenizer.ggml.tokens"] = Strings(97, "t");
  const Result<HParams> cut = HParams::read(OpenImage(image).file());
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().message, HasSubstr("has 96 rows, expected at least the tokenizer's 97"));
}

}  // namespace
}  // namespace hearth
