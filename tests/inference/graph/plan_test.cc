#include "models/plan.h"

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

ModelPlan read(const ModelImage& image) {
  const OpenImage open(image);
  const Result<ModelPlan> plan = plan_of(open.file());
  EXPECT_TRUE(plan) << (plan ? "" : plan.error().message);
  return plan ? *plan : ModelPlan{};
}

// Of a plan's first layer.
const Attention& attention(const ModelPlan& plan) {
  return std::get<Attention>(plan.layers.front().mixer);
}

// The error of the random model with one key changed (or taken away, when there is no value).
Error refusal(const std::string& key, std::optional<ModelImage::Key> value,
              ModelImage image = ModelImage::random()) {
  image.keys.erase(key);
  if (value) image.keys[key] = *value;
  const OpenImage open(image);
  const Result<ModelPlan> plan = plan_of(open.file());
  EXPECT_FALSE(plan) << key;
  const Error error = plan ? Error{} : plan.error();
  EXPECT_THAT(error.message, AllOf(HasSubstr("test.gguf"), HasSubstr(key)));
  return error;
}

TEST(Plan, ReadsSizes) {
  const ModelPlan plan = read(ModelImage::random());
  EXPECT_EQ(plan.architecture, "llama");
  EXPECT_EQ(plan.layers.size(), 2u);
  EXPECT_EQ(plan.n_context_train, 2048u);
  EXPECT_EQ(plan.width, 32u);
  EXPECT_EQ(plan.n_vocab, 96u);
  EXPECT_EQ(attention(plan).n_heads, 2u);
  EXPECT_EQ(attention(plan).n_kv_heads, 1u);
  EXPECT_EQ(attention(plan).k_dim, 16u);
  EXPECT_EQ(attention(plan).v_dim, 16u);
  EXPECT_EQ(std::get<Dense>(plan.layers[0].ffn).width, 64u);
  EXPECT_FLOAT_EQ(plan.norm_eps, 1e-5f);
}

TEST(Plan, FillsInDefaults) {
  ModelImage image = ModelImage::random();
  for (const char* key : {"head_count_kv", "key_length", "value_length"})
    image.keys.erase(std::string("llama.attention.") + key);
  const ModelPlan plan = read(image);
  const Attention& mixer = attention(plan);
  EXPECT_EQ(mixer.n_kv_heads, 2u);   // as many as query heads
  EXPECT_EQ(mixer.k_dim, 16u);       // width / heads
  EXPECT_EQ(mixer.rope.n_rot, 16u);  // the whole head
  EXPECT_FLOAT_EQ(mixer.scale, 0.25f);
  EXPECT_FLOAT_EQ(mixer.rope.base, 10000.f);
  EXPECT_EQ(mixer.rope.scaling, Rope::Scaling::none);
  EXPECT_EQ(mixer.rope.original_context, 2048u);
}

TEST(Plan, TakesOverridesOfScaleAndRotation) {
  ModelImage image = ModelImage::random();
  image.keys["llama.attention.scale"] = 0.0625f;
  image.keys["llama.rope.dimension_count"] = 8u;
  image.keys["llama.rope.freq_base"] = 1e6f;
  const ModelPlan plan = read(image);
  EXPECT_FLOAT_EQ(attention(plan).scale, 0.0625f);
  EXPECT_EQ(attention(plan).rope.n_rot, 8u);
  EXPECT_FLOAT_EQ(attention(plan).rope.base, 1e6f);
}

TEST(Plan, ValuesMayBeOfAnotherSizeThanKeys) {
  ModelImage image = ModelImage::random();
  image.keys["llama.attention.value_length"] = 8u;
  const ModelPlan plan = read(image);
  EXPECT_EQ(attention(plan).k_dim, 16u);
  EXPECT_EQ(attention(plan).v_dim, 8u);
}

TEST(Plan, TakesIntegersOfAnyWidthAndUniformArrays) {
  ModelImage image = ModelImage::random();
  image.keys["llama.block_count"] = int64_t{2};
  image.keys["llama.attention.head_count_kv"] = Uints{1, 1};
  const ModelPlan plan = read(image);
  EXPECT_EQ(plan.layers.size(), 2u);
  EXPECT_EQ(attention(plan).n_kv_heads, 1u);
}

TEST(Plan, RefusesArraysThatDifferByLayer) {
  const Error error = refusal("llama.attention.head_count_kv", Uints{1, 2});
  EXPECT_EQ(error.code, Errc::unsupported);
  EXPECT_THAT(error.message, HasSubstr("1 in layer 0, 2 in layer 1"));
  EXPECT_EQ(refusal("llama.attention.head_count_kv", Uints{}).code, Errc::corrupt);
  EXPECT_EQ(refusal("llama.attention.head_count_kv", Strings{"1", "1"}).code, Errc::corrupt);
}

TEST(Plan, RefusesMissingZeroAndAbsurdSizes) {
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

TEST(Plan, RefusesHeadsThatDoNotDivide) {
  EXPECT_THAT(refusal("llama.attention.head_count_kv", 3u).message,
              HasSubstr("is 3, which does not divide head_count 2"));
  ModelImage image = ModelImage::random();
  image.keys.erase("llama.attention.key_length");
  image.keys.erase("llama.attention.value_length");
  image.keys["llama.attention.head_count"] = 5u;
  EXPECT_FALSE(plan_of(OpenImage(image).file()));
}

TEST(Plan, RefusesNumbersThatCannotBe) {
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

TEST(Plan, RefusesLayoutsThatItDoesNotKnow) {
  const Error error = refusal("llama.rope.scaling.type", std::string("longrope"));
  EXPECT_EQ(error.code, Errc::unsupported);
  EXPECT_THAT(error.message, HasSubstr("is 'longrope', expected none, linear or yarn"));
}

TEST(Plan, FactorWithoutTypeMeansLinear) {
  ModelImage image = ModelImage::random();
  image.keys["llama.rope.scaling.factor"] = 4.f;
  EXPECT_EQ(attention(read(image)).rope.scaling, Rope::Scaling::linear);
  EXPECT_FLOAT_EQ(attention(read(image)).rope.factor, 4.f);
  image.keys["llama.rope.scaling.type"] = std::string("none");
  EXPECT_EQ(attention(read(image)).rope.scaling, Rope::Scaling::none);
}

TEST(Plan, YarnScalesCosAndSin) {
  ModelImage image = ModelImage::random();
  image.keys["llama.rope.scaling.type"] = std::string("yarn");
  image.keys["llama.rope.scaling.factor"] = 4.f;
  image.keys["llama.rope.scaling.original_context_length"] = 512u;
  EXPECT_EQ(attention(read(image)).rope.original_context, 512u);
  EXPECT_FLOAT_EQ(attention(read(image)).rope.magnitude, 1.f + 0.1f * std::log(4.f));
  image.keys["llama.rope.scaling.yarn_log_multiplier"] = 1.f;  // the two terms cancel
  EXPECT_FLOAT_EQ(attention(read(image)).rope.magnitude, 1.f);
  image.keys["llama.rope.scaling.yarn_attn_factor"] = 1.25f;  // said outright
  EXPECT_FLOAT_EQ(attention(read(image)).rope.magnitude, 1.25f);
}

TEST(Plan, VocabularyMayBePaddedButNotCutShort) {
  ModelImage image = ModelImage::random();
  image.keys["tokenizer.ggml.tokens"] = Strings(90, "t");
  EXPECT_EQ(read(image).n_vocab, 96u);
  image.keys["tokenizer.ggml.tokens"] = Strings(97, "t");
  const Result<ModelPlan> cut = plan_of(OpenImage(image).file());
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().message, HasSubstr("has 96 rows, expected at least the tokenizer's 97"));
}

// A mixture of experts as llama (Mixtral) has it.
ModelImage with_experts() {
  ModelImage image = ModelImage::random();
  image.keys["llama.expert_count"] = 8u;
  image.keys["llama.expert_used_count"] = 2u;
  return image;
}

TEST(Plan, ReadsExperts) {
  ModelImage image = with_experts();
  image.keys["llama.expert_feed_forward_length"] = 24u;
  image.keys["llama.expert_shared_count"] = 2u;
  image.keys["llama.expert_gating_func"] = 2u;
  image.keys["llama.expert_weights_scale"] = 2.5f;
  const ModelPlan plan = read(image);
  const Moe& moe = std::get<Moe>(plan.layers[1].ffn);
  EXPECT_EQ(moe.router.n_experts, 8u);
  EXPECT_EQ(moe.router.n_used, 2u);
  EXPECT_EQ(moe.router.gating, Gating::sigmoid);
  EXPECT_TRUE(moe.router.normalizes);
  EXPECT_FLOAT_EQ(moe.router.scale, 2.5f);
  EXPECT_EQ(moe.width, 24u);
  EXPECT_EQ(moe.shared_width, 48u);
}

TEST(Plan, RefusesChoicesThatCannotBeMade) {
  refusal("llama.expert_used_count", 9u, with_experts());
  refusal("llama.expert_used_count", std::nullopt, with_experts());
  refusal("llama.expert_group_count", 3u, with_experts());
  EXPECT_EQ(refusal("llama.expert_gating_func", 4u, with_experts()).code, Errc::unsupported);
  ModelImage image = with_experts();
  image.keys["llama.expert_group_count"] = 8u;
  image.keys["llama.expert_group_used_count"] = 1u;
  refusal("llama.expert_used_count", 2u, image);
}

// The same image under another family's name.
ModelImage renamed(const ModelImage& image, const std::string& architecture) {
  ModelImage renamed{.keys = {}, .tensors = image.tensors};
  for (const auto& [key, value] : image.keys)
    renamed.keys[key.starts_with("llama.") ? architecture + key.substr(5) : key] = value;
  renamed.keys["general.architecture"] = architecture;
  return renamed;
}

TEST(Plan, WindowsFollowThePatternThatTheFileSays) {
  ModelImage image = renamed(ModelImage::random({.n_layers = 6}), "gemma3");
  image.keys["gemma3.attention.sliding_window"] = 100u;
  const auto windows = [&] {
    std::vector<uint32_t> found;
    for (const LayerPlan& layer : read(image).layers)
      found.push_back(std::get<Attention>(layer.mixer).window);
    return found;
  };
  EXPECT_EQ(windows(), (Uints{100, 100, 100, 100, 100, 0}));
  image.keys["gemma3.attention.sliding_window_pattern"] = 3u;
  EXPECT_EQ(windows(), (Uints{100, 100, 0, 100, 100, 0}));
  image.keys["gemma3.attention.sliding_window_pattern"] = Uints{0, 1, 0, 1, 0, 1};
  EXPECT_EQ(windows(), (Uints{0, 100, 0, 100, 0, 100}));
  refusal("gemma3.attention.sliding_window_pattern", Uints{1, 1}, image);
  refusal("gemma3.attention.sliding_window", 0u, image);
}

TEST(Plan, BlocksThatPredictFurtherAheadAreLeftOut) {
  ModelImage image = ModelImage::random({.n_layers = 3});
  image.keys["llama.nextn_predict_layers"] = 1u;
  EXPECT_EQ(read(image).layers.size(), 2u);
  refusal("llama.nextn_predict_layers", 3u, image);
}

}  // namespace
}  // namespace hearth
