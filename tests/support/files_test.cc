#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/environment.h"
#include "support/file.h"
#include "support/log.h"
#include "support/path.h"

namespace hearth {
namespace {

class Files : public testing::Test {
 protected:
  Files() {
    char name[] = "/tmp/hearth-files-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~Files() override { std::filesystem::remove_all(folder_); }
  std::string at(std::string_view name) const { return path::join(folder_, name); }

  std::string folder_;
};

TEST_F(Files, WritesWholeFilesWithTheModeAskedFor) {
  ASSERT_TRUE(file::write_atomic(at("a"), "one", 0600));
  ASSERT_TRUE(file::write_atomic(at("a"), "two", 0600));
  auto text = file::read(at("a"));
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "two");
  struct stat info{};
  ::stat(at("a").c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(Files, RefusesWhatIsNotARegularFile) {
  ::mkfifo(at("pipe").c_str(), 0600);
  auto text = file::read(at("pipe"));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::invalid);
  EXPECT_EQ(file::read(at("missing")).error().code, Errc::not_found);
}

TEST_F(Files, RefusesMoreThanItIsWillingToRead) {
  ASSERT_TRUE(file::write_atomic(at("big"), std::string(100, 'x')));
  EXPECT_FALSE(file::read(at("big"), 99));
}

TEST_F(Files, MakesPrivateFoldersAndTightensLooseOnes) {
  std::filesystem::create_directory(at("loose"));
  ::chmod(at("loose").c_str(), 0777);
  ASSERT_TRUE(path::make_private_dir(at("loose")));
  ASSERT_TRUE(path::make_private_dir(at("new/deep")));
  struct stat info{};
  ::stat(at("loose").c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ::stat(at("new/deep").c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(Files, RefusesASymlinkAsPrivateFolder) {
  std::filesystem::create_directory(at("real"));
  std::filesystem::create_directory_symlink(at("real"), at("link"));
  auto made = path::make_private_dir(at("link"));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::denied);
}

TEST_F(Files, FollowsTheXdgVariables) {
  ::setenv("XDG_STATE_HOME", "/x/state", 1);
  ::setenv("HOME", "/x/home", 1);
  ::unsetenv("XDG_RUNTIME_DIR");
  ::setenv("XDG_DATA_HOME", "relative", 1);
  auto folders = path::folders();
  ASSERT_TRUE(folders);
  EXPECT_EQ(folders->state, "/x/state/hearth");
  EXPECT_EQ(folders->runtime, "/x/state/hearth") << "falls back to the state folder";
  EXPECT_EQ(folders->data, "/x/home/.local/share/hearth") << "a relative value does not count";
}

TEST_F(Files, NeedNoHomeWhereTheXdgVariablesSayAll) {
  test::Variable home("HOME", ""), config("XDG_CONFIG_HOME", "/x/config"),
      state("XDG_STATE_HOME", "/x/state"), data("XDG_DATA_HOME", "/x/data");
  auto folders = path::folders();
  ASSERT_TRUE(folders) << folders.error().message;
  EXPECT_EQ(folders->data, "/x/data/hearth");
  test::Variable no_data("XDG_DATA_HOME", "");
  EXPECT_FALSE(path::folders());
}

TEST_F(Files, LogLinesCannotBeForgedAndFilesRotate) {
  ASSERT_TRUE(log::open_file(at("log"), 400, 2));
  for (int i = 0; i < 30; ++i) log::info("event", {{"text", "a\nINFO forged \x1b[31m"}, {"i", i}});
  auto text = file::read(at("log"));
  ASSERT_TRUE(text);
  EXPECT_EQ(text->find("\nINFO forged"), std::string::npos);
  EXPECT_NE(text->find("\\n"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(at("log.1")));
  EXPECT_TRUE(std::filesystem::exists(at("log.2")));
  EXPECT_FALSE(std::filesystem::exists(at("log.3")));
}

}  // namespace
}  // namespace hearth
