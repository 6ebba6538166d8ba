// Keys from the Secret Service, through a program that stands for secret-tool.
#include "router/providers/secret_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "daemon/session/loop.h"
#include "support/environment.h"
#include "support/temporary_folder.h"

namespace hearth::router {
namespace {

using hearth::test::TemporaryFolder;
using hearth::test::Variable;
using ::testing::HasSubstr;

class SecretServiceTest : public ::testing::Test {
 protected:
  void install(const std::string& script) {
    const std::string path = folder / "secret-tool";
    std::ofstream(path) << "#!/bin/sh\n" << script;
    ::chmod(path.c_str(), 0700);
  }
  Result<std::string> lookup(const std::string& name) { return loop.run(secrets.lookup(name)); }

  TemporaryFolder folder;
  Variable search_path{"PATH", folder.path() + ":/usr/bin:/bin"};
  hearth::test::Loop loop;
  SecretService secrets{machine_clock()};
};

TEST_F(SecretServiceTest, AKeyComesOverThePipeAndIsKept) {
  install("echo \"$@\" >> " + folder / "calls" + "\necho sk-secret\n");
  const std::string call = "lookup service hearth key deepseek\n";
  auto calls = [&] {
    std::ifstream file(folder / "calls");
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  EXPECT_EQ(*lookup("deepseek"), "sk-secret");
  EXPECT_EQ(*lookup("deepseek"), "sk-secret");
  EXPECT_EQ(calls(), call) << "one program for many requests";
  secrets.forget("deepseek");
  EXPECT_TRUE(lookup("deepseek"));
  EXPECT_EQ(calls(), call + call);
}

TEST_F(SecretServiceTest, TheChildSeesNoKeyOfOurs) {
  Variable key("DEEPSEEK_API_KEY", "sk-other");
  install("env > " + folder / "seen" + "\necho sk-secret\n");
  ASSERT_TRUE(lookup("deepseek"));
  std::ifstream seen(folder / "seen");
  const std::string text{std::istreambuf_iterator<char>(seen), {}};
  EXPECT_EQ(text.find("sk-other"), std::string::npos);
}

TEST_F(SecretServiceTest, WhatIsMissingIsNamed) {
  install("exit 1\n");
  auto none = lookup("deepseek");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::denied);
  EXPECT_THAT(none.error().message, HasSubstr("secret-tool store"));
}

}  // namespace
}  // namespace hearth::router
