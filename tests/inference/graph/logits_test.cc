#include "graph/logits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inference/graph/model_image.h"
#include "inference/graph/model_runner.h"

namespace hearth {
namespace {

using ::testing::HasSubstr;
using testing::ModelImage;
using testing::OpenImage;

Backend& backend() {
  static const std::unique_ptr<Backend> backend = cpu_backend(2);
  return *backend;
}

std::vector<float> collect(const gguf::File& file, std::span<const Token> tokens,
                           LogitsOptions options, Backend& on = backend()) {
  std::vector<float> all;
  const Result<> done = logits_of(file, on, tokens, options, [&](std::span<const float> row) {
    all.insert(all.end(), row.begin(), row.end());
    return Result<>();
  });
  EXPECT_TRUE(done) << (done ? "" : done.error().message);
  return all;
}

TEST(LogitsOf, GivesEveryPositionInOrderWhateverTheChunk) {
  const OpenImage open(ModelImage::random());
  const std::vector<Token> tokens = testing::some_tokens(130, 96);
  const std::vector<float> expected = testing::ModelRunner(open.file()).logits_of(tokens);
  for (const uint32_t chunk : {0u, 1u, 50u, 512u})
    EXPECT_EQ(collect(open.file(), tokens, {.chunk = chunk}), expected);
}

TEST(LogitsOf, CacheIsHalfPrecisionOnlyForQuantizedWeights) {
  ModelImage image = ModelImage::random();
  image.quantize(gguf::Type::q8_0);
  const OpenImage open(image);
  const std::vector<Token> tokens = testing::some_tokens(20, 96);
  const auto run = [&](bool exact, KvElement element) {
    return testing::ModelRunner(open.file(), {.exact = exact, .element = element})
        .logits_of(tokens);
  };
  const std::unique_ptr<Backend> exact = cpu_backend(2, true);
  EXPECT_EQ(collect(open.file(), tokens, {}), run(false, KvElement::i16));
  EXPECT_EQ(collect(open.file(), tokens, {.kv = KvElement::f32}, *exact),
            run(true, KvElement::f32));
  EXPECT_EQ(collect(open.file(), tokens, {.kv = KvElement::f32}), run(false, KvElement::f32));
}

TEST(LogitsOf, StopsAtTheSinksError) {
  const OpenImage open(ModelImage::random());
  int rows = 0;
  const Result<> done = logits_of(open.file(), backend(), testing::some_tokens(9, 96), {},
                                  [&](std::span<const float>) -> Result<> {
                                    if (++rows < 3) return {};
                                    return Error{Errc::io, "disk is full"};
                                  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "disk is full");
  EXPECT_EQ(rows, 3);
}

TEST(LogitsOf, RefusesNoTokensTooManyAndUnknownOnes) {
  const OpenImage open(ModelImage::random());
  const auto refusal = [&](std::span<const Token> tokens) {
    const Result<> done = logits_of(open.file(), backend(), tokens, {},
                                    [](std::span<const float>) { return Result<>(); });
    EXPECT_FALSE(done);
    return done ? Error{} : done.error();
  };
  EXPECT_EQ(refusal({}).code, Errc::invalid);
  EXPECT_EQ(refusal(std::vector<Token>(2049, 1)).code, Errc::context_exceeded);
  EXPECT_THAT(refusal(std::vector<Token>{1, 96}).message, HasSubstr("token 96"));
}

}  // namespace
}  // namespace hearth
