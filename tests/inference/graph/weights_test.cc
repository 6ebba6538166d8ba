#include "graph/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inference/graph/model_image.h"
#include "inference/graph/model_runner.h"

namespace hearth {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ModelImage;
using testing::OpenImage;

// Whether the whole model loads, so that the loader is given what the product gives it.
Result<Model> load(const OpenImage& open) {
  static cpu::CpuBackend backend(1, cpu::Path::scalar, false);
  return Model::load(open.file(), backend);
}

Error refusal(const ModelImage& image) {
  const OpenImage open(image);
  const Result<Model> model = load(open);
  EXPECT_FALSE(model);
  return model ? Error{} : model.error();
}

TEST(Weights, MissingTensorIsNamedWithItsShape) {
  ModelImage image = ModelImage::random();
  image.tensors.erase("blk.1.ffn_down.weight");
  EXPECT_THAT(refusal(image).message,
              AllOf(HasSubstr("test.gguf"), HasSubstr("blk.1.ffn_down.weight is missing"),
                    HasSubstr("{64, 32}")));
}

TEST(Weights, WrongShapeIsShownWithTheExpectedOne) {
  for (const char* name :
       {"token_embd.weight", "output.weight", "output_norm.weight", "blk.0.attn_norm.weight",
        "blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight",
        "blk.0.attn_output.weight", "blk.0.ffn_norm.weight", "blk.0.ffn_gate.weight",
        "blk.0.ffn_up.weight", "blk.0.ffn_down.weight"}) {
    ModelImage image = ModelImage::random();
    ModelImage::Tensor& tensor = image.tensors.at(name);
    tensor.dims[0] += 1;
    tensor.values.resize(tensor.values.size() * 2);
    tensor.values.resize(tensor.dims[0] * (tensor.dims.size() > 1 ? tensor.dims[1] : 1));
    const Error error = refusal(image);
    EXPECT_EQ(error.code, Errc::corrupt);
    EXPECT_THAT(error.message, AllOf(HasSubstr(name), HasSubstr("expected {"))) << name;
  }
}

TEST(Weights, MatrixOfATypeWithoutKernelIsRefused) {
  ModelImage image = ModelImage::random();
  image.tensors.at("blk.0.attn_q.weight").type = gguf::Type::f64;
  const Error error = refusal(image);
  EXPECT_EQ(error.code, Errc::unsupported);
  EXPECT_THAT(error.message, AllOf(HasSubstr("blk.0.attn_q.weight"), HasSubstr("F64")));
}

TEST(Weights, ScalesThatNobodyUsesAreRefused) {
  ModelImage image = ModelImage::random();
  image.tensors["blk.0.attn_q.scale"] = {.dims = {2}, .values = {2.f, 3.f}};
  EXPECT_EQ(refusal(image).code, Errc::unsupported);
}

TEST(Weights, UnknownTensorIsNotedAndNotFatal) {
  ModelImage image = ModelImage::random();
  image.tensors["blk.0.attn_rot_embd"] = {.dims = {2}, .values = {1, 2}};
  const OpenImage open(image);
  const Result<Model> model = load(open);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_THAT(model->unused_tensors(), ElementsAre("blk.0.attn_rot_embd"));
}

TEST(Weights, RopeFactorsMustDivide) {
  ModelImage image = ModelImage::random();
  image.tensors["rope_freqs.weight"] = {.dims = {8}, .values = std::vector(8, 1.f)};
  EXPECT_TRUE(load(OpenImage(image)));
  image.tensors["rope_freqs.weight"].values[3] = 0;
  EXPECT_THAT(refusal(image).message, HasSubstr("rope_freqs.weight has 0 at 3, expected > 0"));
}

TEST(Weights, OutputIsTheEmbeddingWhenThereIsNone) {
  ModelImage tied = ModelImage::random();
  tied.tensors.erase("output.weight");
  ModelImage copied = tied;
  copied.tensors["output.weight"] = copied.tensors.at("token_embd.weight");
  const OpenImage open_tied(tied), open_copied(copied);
  const std::vector<Token> tokens = testing::some_tokens(5, 96);
  EXPECT_EQ(testing::ModelRunner(open_tied.file()).logits_of(tokens),
            testing::ModelRunner(open_copied.file()).logits_of(tokens));
}

TEST(Weights, NormsMayBeHalfPrecision) {
  ModelImage image = ModelImage::random();
  for (auto& [name, tensor] : image.tensors)
    if (name.find("norm") != std::string::npos)
      for (float& value : tensor.values) value = std::round(value * 64) / 64;  // exact in f16
  ModelImage half = image;
  for (auto& [name, tensor] : half.tensors)
    if (name.find("norm") != std::string::npos) tensor.type = gguf::Type::f16;
  const OpenImage open(image), open_half(half);
  const std::vector<Token> tokens = testing::some_tokens(5, 96);
  EXPECT_EQ(testing::ModelRunner(open.file()).logits_of(tokens),
            testing::ModelRunner(open_half.file()).logits_of(tokens));
}

TEST(Models, UnknownArchitectureIsRefusedWithTheKnownOnes) {
  ModelImage image = ModelImage::random();
  image.keys["general.architecture"] = std::string("mamba");
  const Error error = refusal(image);
  EXPECT_EQ(error.code, Errc::unsupported);
  EXPECT_THAT(error.message,
              AllOf(HasSubstr("'mamba'"), HasSubstr("llama, "), HasSubstr("qwen2, ")));
}

}  // namespace
}  // namespace hearth
