#include "models/store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "models/pull.h"
#include "support/path.h"
#include "support/temporary_folder.h"

namespace hearth::models {
namespace {

namespace fs = std::filesystem;

class StoreTest : public ::testing::Test {
 protected:
  // A pull of `name` with one file of that content.
  Result<StoredModel> put(const std::string& name, const std::string& content) {
    auto draft = store.begin(name, "file:/here");
    if (!draft) return draft.error();
    std::ofstream(path::join(draft->folder, "weights.gguf")) << content;
    StoredModel model;
    model.name = name;
    model.source = "file:/here";
    model.files = {{"weights.gguf", content.size(), ""}};
    return store.commit(std::move(model));
  }
  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(store.folder()))
      names.push_back(entry.path().filename().string());
    return names;
  }

  test::TemporaryFolder folder;
  Store store{folder / "models"};
};

TEST_F(StoreTest, HasAModelFromItsCommitOn) {
  ASSERT_TRUE(store.begin("tiny", "file:/here"));
  EXPECT_FALSE(store.find("tiny"));
  ASSERT_TRUE(put("tiny", "one"));
  ASSERT_TRUE(store.find("tiny"));
  EXPECT_TRUE(fs::is_regular_file(store.find("tiny")->path));
  EXPECT_EQ(store.list().size(), 1u);
}

TEST_F(StoreTest, ReplacesAModelAndLeavesNothingBehind) {
  ASSERT_TRUE(put("tiny", "one"));
  ASSERT_TRUE(put("tiny", "the second"));
  EXPECT_EQ(store.find("tiny")->files.at(0).size_bytes, 10u);
  EXPECT_EQ(entries(), std::vector<std::string>{"tiny"});
}

TEST_F(StoreTest, LeavesANameToTheSourceThatHasIt) {
  ASSERT_TRUE(put("tiny", "one"));
  auto draft = store.begin("tiny", "hf:org/repo/tiny.gguf");
  ASSERT_FALSE(draft);
  EXPECT_EQ(draft.error().code, Errc::invalid);
  for (const char* part : {"from file:/here", "hf:org/repo/tiny.gguf", "--name", "models rm tiny"})
    EXPECT_NE(draft.error().message.find(part), std::string::npos) << draft.error().message;
  ASSERT_TRUE(store.remove("tiny"));
  EXPECT_TRUE(store.begin("tiny", "hf:org/repo/tiny.gguf"));
}

TEST_F(StoreTest, ADraftIsHeldByOne) {
  {
    auto first = store.begin("tiny", "default");
    ASSERT_TRUE(first);
    auto second = store.begin("tiny", "default");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::busy);
    EXPECT_TRUE(store.begin("other", "default"));
  }
  EXPECT_TRUE(store.begin("tiny", "default"));
}

TEST_F(StoreTest, ADraftGoesOnForTheSameSourceOnly) {
  const auto n_files_after = [&](const std::string& source) {
    auto draft = store.begin("tiny", source);
    EXPECT_TRUE(draft);
    const auto n = std::distance(fs::directory_iterator(draft->folder), fs::directory_iterator());
    std::ofstream(path::join(draft->folder, "shard.gguf")) << "half of it";
    return n;
  };
  EXPECT_EQ(n_files_after("hf:a/x"), 1);  // whose it is
  EXPECT_EQ(n_files_after("hf:a/x"), 2);
  EXPECT_EQ(n_files_after("hf:b/x"), 1);
}

TEST_F(StoreTest, RemovesBrokenEntriesToo) {
  ASSERT_TRUE(put("tiny", "one"));
  std::ofstream(path::join(store.folder(), "tiny/model.json")) << "{";
  EXPECT_FALSE(store.find("tiny"));
  EXPECT_TRUE(store.remove("tiny"));
  EXPECT_TRUE(entries().empty());
}

TEST_F(StoreTest, NamesWhatThereIsWhenAModelIsUnknown) {
  ASSERT_TRUE(put("tiny", "one"));
  auto removed = store.remove("huge");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, Errc::not_found);
  EXPECT_NE(removed.error().message.find("tiny"), std::string::npos);
}

TEST_F(StoreTest, TakesNoNameThatLeadsElsewhere) {
  for (const char* name : {"", "..", "../up", "a/b", ".hidden", "-rf", "x.part"}) {
    EXPECT_FALSE(store.begin(name, "file:/here")) << name;
    EXPECT_FALSE(store.remove(name)) << name;
  }
}

TEST(LinkName, IsTakenByTheStoreAndKeepsShardNumbers) {
  EXPECT_EQ(link_name("My Model (Q4)-00001-of-00002.gguf"), "My-Model--Q4--00001-of-00002.gguf");
  EXPECT_EQ(link_name("plain_1.Q4_K.gguf"), "plain_1.Q4_K.gguf");
  EXPECT_EQ(link_name("--x.gguf"), "__x.gguf");
  EXPECT_EQ(link_name(std::string(300, 'a') + ".gguf").size(), 128u);
}

}  // namespace
}  // namespace hearth::models
