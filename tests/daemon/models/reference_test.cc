#include <gtest/gtest.h>

#include "models/pull.h"

namespace hearth::models {

namespace {

void check_hub(std::string_view text, const std::string& repo, const std::string& quant,
               const std::string& file) {
  SCOPED_TRACE(text);
  auto reference = parse_reference(text);
  ASSERT_TRUE(reference);
  const auto* hub = std::get_if<HubModel>(&*reference);
  ASSERT_TRUE(hub);
  EXPECT_EQ(hub->repo, repo);
  EXPECT_EQ(hub->quant, quant);
  EXPECT_EQ(hub->file, file);
}

}  // namespace

TEST(Reference, ReadsTheThreeHubForms) {
  check_hub("hf:org/repo", "org/repo", "", "");
  check_hub("hf:org/repo:Q4_K_M", "org/repo", "Q4_K_M", "");
  check_hub("hf:org/repo/sub/file.gguf", "org/repo", "", "sub/file.gguf");
}

TEST(Reference, TakesAPathForAFileAndNothingForTheDefault) {
  EXPECT_TRUE(std::holds_alternative<LocalFile>(*parse_reference("model.gguf")));
  EXPECT_TRUE(std::holds_alternative<LocalFile>(*parse_reference("./model")));
  EXPECT_TRUE(std::holds_alternative<DefaultModel>(*parse_reference("")));
}

TEST(Reference, RefusesWhatIsNeither) {
  for (std::string_view text : {"model", "hf:", "hf:org", "hf:/repo", "hf:org/",
                                "hf:org/repo:", "hf:org/..", "hf:org/repo/../../x"})
    EXPECT_FALSE(parse_reference(text)) << text;
}

TEST(DeriveName, IsLowerCaseWithoutFolderExtensionAndShard) {
  EXPECT_EQ(derive_name("sub/Qwen3-8B-Q4_K_M.gguf"), "qwen3-8b-q4_k_m");
  EXPECT_EQ(derive_name("Big-Q8_0-00001-of-00003.gguf"), "big-q8_0");
  EXPECT_EQ(derive_name("a b(c).gguf"), "a-b-c-");
  EXPECT_EQ(derive_name("...gguf"), "model");
}

TEST(ShardOf, TakesTheNumbersAtTheEndAndNothingElse) {
  const auto shard = shard_of("sub/Big-of-x-Q8_0-00002-of-00013.gguf");
  ASSERT_TRUE(shard);
  EXPECT_EQ(shard->stem, "sub/Big-of-x-Q8_0");
  EXPECT_EQ(shard->index, 2u);
  EXPECT_EQ(shard->count, 13u);
  EXPECT_TRUE(shard->goes_with(*shard_of("sub/Big-of-x-Q8_0-00013-of-00013.gguf")));
  EXPECT_FALSE(shard->goes_with(*shard_of("sub/Big-of-x-Q8_0-00002-of-00014.gguf")));
  EXPECT_FALSE(shard->goes_with(*shard_of("Big-of-x-Q8_0-00002-of-00013.gguf")));
  for (const char* name : {"mixture-of-experts-Q4_K_M.gguf", "x-0001-of-00002.gguf",
                           "x-00001-of-00002", "x-00001-of-0000a.gguf", "-of-.gguf", ""})
    EXPECT_FALSE(shard_of(name)) << name;
}

}  // namespace hearth::models
