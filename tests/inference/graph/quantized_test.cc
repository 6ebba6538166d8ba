// Quantized weights: `exact` computes with the dequantized weights in float32; the fast path also
// rounds activations to 8 bits, and how much that costs is stated here.
#include <gtest/gtest.h>

#include "inference/graph/accuracy.h"
#include "inference/graph/golden.h"
#include "inference/graph/model_image.h"
#include "inference/graph/model_runner.h"

namespace hearth {
namespace {

using gguf::Type;
using testing::ModelImage;
using testing::ModelRunner;
using testing::OpenImage;

class Quantized : public ::testing::TestWithParam<Type> {
 protected:
  // The committed llama where its rows of 32 allow, else a random model with rows of 256.
  static ModelImage quantized_image() {
    ModelImage image = gguf::traits_of(GetParam()).block_size == 32
                           ? ModelImage::copy_of(testing::golden("llama").file)
                           : ModelImage::random({.n_layers = 2,
                                                 .width = 256,
                                                 .n_heads = 4,
                                                 .n_kv_heads = 2,
                                                 .head_dim = 64,
                                                 .n_ff = 512,
                                                 .n_vocab = 320});
    image.quantize(GetParam());
    return image;
  }

  const OpenImage image_{quantized_image()};
  // The same numbers, stored as float32.
  const OpenImage dequantized_{ModelImage::copy_of(image_.file())};
  const std::vector<Token> tokens_ = testing::some_tokens(72, 320);
  const std::vector<float> expected_ = ModelRunner(dequantized_.file()).logits_of(tokens_);
};

TEST_P(Quantized, ExactPathComputesWithTheDequantizedWeights) {
  ModelRunner runner(image_.file(), {.exact = true});
  EXPECT_LT(testing::max_error_in_std(runner.logits_of(tokens_), expected_), 1e-5);
}

TEST_P(Quantized, FastPathLosesLittle) {
  ModelRunner runner(image_.file());
  const double kl = testing::mean_kl(runner.logits_of(tokens_), expected_, 320);
  RecordProperty("kl", std::to_string(kl));
  EXPECT_LT(kl, 1e-3);
  EXPECT_GT(kl, 0) << "activations are rounded";
}

TEST_P(Quantized, QuantizationItselfIsWhatWasMeasured) {
  // Guards the test above: were the weights not quantized at all, everything would agree.
  ModelImage plain = quantized_image();
  for (auto& [name, tensor] : plain.tensors) tensor.type = Type::f32;
  const OpenImage open(plain);
  const double kl = testing::mean_kl(ModelRunner(open.file()).logits_of(tokens_), expected_, 320);
  EXPECT_GT(kl, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Types, Quantized,
                         ::testing::Values(Type::q4_0, Type::q4_1, Type::q5_0, Type::q5_1,
                                           Type::q8_0, Type::q4_k, Type::q5_k, Type::q6_k),
                         [](const auto& instance) {
                           return std::string(gguf::name_of(instance.param));
                         });

}  // namespace
}  // namespace hearth
