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
    auto part = store.begin(name);
    if (!part) return part.error();
    std::ofstream(path::join(*part, "weights.gguf")) << content;
    StoredModel model;
    model.name = name;
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
  ASSERT_TRUE(store.begin("tiny"));
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
    EXPECT_FALSE(store.begin(name)) << name;
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
