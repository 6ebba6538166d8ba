#include "models/fit.h"

#include <gtest/gtest.h>

namespace hearth::models {

namespace {

constexpr uint64_t kMiB = 1u << 20;

// 100 MiB of weights in two files, 1 KiB of KV per token.
StoredModel model(uint64_t n_context) {
  StoredModel stored;
  stored.files = {{"a.gguf", 60 * kMiB, ""}, {"b.gguf", 40 * kMiB, ""}};
  stored.n_context_train = n_context;
  stored.kv_token_bytes = 1024;
  return stored;
}

}  // namespace

TEST(Fit, CountsWeightsOfAllFilesAndTheWholeContext) {
  EXPECT_EQ(fit(model(8192), 1024 * kMiB).needed_bytes, 108 * kMiB);
}

TEST(Fit, GivesTheWholeContextWhereMemoryAllows) {
  const Fit roomy = fit(model(8192), 108 * kMiB);
  EXPECT_TRUE(roomy.is_possible);
  EXPECT_EQ(roomy.n_context, 8192u);
}

TEST(Fit, GivesTheContextThatIsLeftRoomFor) {
  const Fit tight = fit(model(8192), 104 * kMiB);
  EXPECT_TRUE(tight.is_possible);
  EXPECT_EQ(tight.n_context, 4096u);
}

TEST(Fit, IsImpossibleWithoutRoomForAUsefulContext) {
  EXPECT_FALSE(fit(model(8192), 100 * kMiB + 511 * 1024).is_possible);
  EXPECT_TRUE(fit(model(8192), 100 * kMiB + 512 * 1024).is_possible);
  EXPECT_FALSE(fit(model(8192), 99 * kMiB).is_possible);
}

TEST(Fit, JudgesByWeightsWhereContextOrKvSizeIsUnknown) {
  EXPECT_TRUE(fit(model(0), 100 * kMiB).is_possible);
  StoredModel old = model(8192);
  old.kv_token_bytes = 0;
  EXPECT_EQ(fit(old, 100 * kMiB).n_context, 8192u);
}

}  // namespace hearth::models
