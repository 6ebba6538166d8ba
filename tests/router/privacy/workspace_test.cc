// Which files of a workspace are labelled, and that their index follows them.
#include "privacy/workspace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/environment.h"
#include "support/temporary_folder.h"

namespace hearth::router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::string kKeys =
    "the keeper of the northern lighthouse counts seventeen ships each night\n";
const std::string kPlan = "we shall open the second bakery in the old harbour before the winter\n";

class WorkspaceTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void look() { now = walk({folder.path()}, rules, now); }
  std::vector<std::string> labels_of_text(const std::string& text) const {
    std::vector<std::string> labels;
    for (uint32_t owner : now->index.owners_of(lookups_of(text)))
      for (const std::string& label : now->files[owner].labels) labels.push_back(label);
    return labels;
  }

  test::TemporaryFolder folder;
  std::vector<LabelRule> rules = {{"secret", {"**/.env*", "keys/**"}, Trust::local},
                                  {"work", {"repo:acme/*"}, Trust::self_hosted}};
  std::shared_ptr<const Workspace> now;
};

TEST_F(WorkspaceTest, FilesAreLabelledByPathAndByRepository) {
  write("keys/lighthouse.txt", kKeys);
  write("src/bakery.txt", kPlan);
  write("shop/.git/config", "[remote \"origin\"]\n\turl = git@example.com:acme/shop.git\n");
  write("shop/plan.txt", kPlan);
  look();
  EXPECT_THAT(labels_of_text(kKeys), ElementsAre("secret"));
  EXPECT_THAT(labels_of_text(kPlan), ElementsAre("work"));
  EXPECT_EQ(now->n_labelled, 2u);
  EXPECT_THAT(now->seen, ::testing::SizeIs(2));
}

TEST_F(WorkspaceTest, APathWithinARepositoryCountsFromItsTop) {
  write("one/two/.git/config", "");
  write("one/two/keys/lighthouse.txt", kKeys);
  look();
  EXPECT_THAT(labels_of_text(kKeys), ElementsAre("secret"));
}

TEST_F(WorkspaceTest, TheIndexFollowsTheFiles) {
  write("keys/a.txt", kKeys);
  look();
  const auto first = now;
  look();
  EXPECT_EQ(now, first) << "nothing has changed";
  write("src/other.txt", "not labelled");
  look();
  EXPECT_EQ(now->generation, first->generation) << "nothing that is labelled has";
  write("keys/b.txt", kPlan);
  look();
  EXPECT_GT(now->generation, first->generation);
  EXPECT_THAT(labels_of_text(kPlan), ElementsAre("secret"));
  EXPECT_THAT(labels_of_text(kKeys), ElementsAre("secret"));
}

TEST_F(WorkspaceTest, WhatALabelledFileHeldIsKnownOn) {
  write("keys/a.txt", kKeys);
  look();
  write("keys/a.txt", kPlan);
  look();
  EXPECT_THAT(labels_of_text(kKeys), ElementsAre("secret"));
  EXPECT_THAT(labels_of_text(kPlan), ElementsAre("secret"));
  const size_t n_entries = now->index.entries().size();
  for (int i = 0; i < 5; ++i) {
    write("keys/a.txt", i % 2 ? kPlan : kPlan + "?");
    look();
  }
  EXPECT_LE(now->index.entries().size(), n_entries + 2) << "once, however often it is written";
  std::filesystem::remove(folder / "keys/a.txt");
  look();
  EXPECT_THAT(labels_of_text(kPlan), ElementsAre("secret"));
}

TEST_F(WorkspaceTest, LinksAndHistoriesAreNotFollowed) {
  write(".git/keys/objects.txt", kKeys);
  write("node_modules/x/.env", kPlan);
  std::filesystem::create_directories(folder / "keys");
  std::filesystem::create_symlink("/etc/passwd", folder / "keys/passwd");
  std::filesystem::create_directory_symlink("..", folder / "keys/up");
  look();
  EXPECT_EQ(now->n_labelled, 0u);
}

TEST_F(WorkspaceTest, WhatCannotBeReadIsCounted) {
  write("keys/big.bin", "x");
  std::filesystem::resize_file(folder / "keys/big.bin", Workspace::kMaxFileBytes + 1);
  now = walk({folder.path(), folder / "absent"}, rules, nullptr);
  EXPECT_EQ(now->n_labelled, 1u);
  EXPECT_EQ(now->left_out, 1u);
  EXPECT_THAT(now->unreadable, ElementsAre(folder / "absent"));
}

TEST(WorkspaceRoots, AbsoluteRulesAreRootsOfTheirOwn) {
  const test::Variable home("HOME", "/home/ada");
  Policy policy;
  policy.roots = {"/home/ada/src", "/srv/work"};
  policy.labels = {
      {"secret",
       {"~/.ssh/**", "/etc/ssl/private/*.pem", "/**/x", "src/**", "repo:a/*", "/srv/one.txt"},
       Trust::local}};
  EXPECT_THAT(roots_of(policy), ElementsAre("/etc/ssl/private", "/home/ada/.ssh", "/home/ada/src",
                                            "/srv/one.txt", "/srv/work"));
}

}  // namespace
}  // namespace hearth::router
