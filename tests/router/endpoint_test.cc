#include "router/providers/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "router/providers/table.h"
#include "support/environment.h"
#include "support/temporary_folder.h"

namespace hearth::router {
namespace {

using hearth::test::TemporaryFolder;
using hearth::test::Variable;
using ::testing::HasSubstr;
using ::testing::Not;

Target target(std::string provider) {
  Target made;
  made.name = "remote";
  made.kind = TargetKind::api;
  made.provider = std::move(provider);
  return made;
}

struct KeyFile {
  explicit KeyFile(std::string_view content, mode_t mode = 0600) : path(folder / "key") {
    std::ofstream(path) << content;
    ::chmod(path.c_str(), mode);
  }
  TemporaryFolder folder;
  std::string path;
};

Result<Endpoint> endpoint_with_file(const std::string& path) {
  Target made = target("openai");
  made.key_file = path;
  return endpoint_of(made);
}

TEST(Endpoint, AProviderBringsItsAddressAndVariable) {
  Variable key("DEEPSEEK_API_KEY", "sk-1");
  auto endpoint = endpoint_of(target("deepseek"));
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_EQ(endpoint->base_url, "https://api.deepseek.com");
  EXPECT_EQ(endpoint->key, "sk-1");
}

TEST(Endpoint, EveryRowOfTheTableIsHttpsOrThisMachine) {
  for (const ProviderRow& row : provider_rows()) {
    EXPECT_TRUE(row.base_url.starts_with("https://") ||
                row.base_url.starts_with("http://127.0.0.1:"))
        << row.name;
    EXPECT_FALSE(row.base_url.ends_with('/')) << row.name;
    EXPECT_EQ(&row_of(row.name), &row) << "names are unique";
  }
}

TEST(Endpoint, ATargetsOwnAddressAndVariableWin) {
  Variable own("MY_KEY", "mine"), other("OPENAI_API_KEY", "theirs");
  Target made = target("openai");
  made.base_url = "http://127.0.0.1:9/v1//";
  made.key_env = "MY_KEY";
  auto endpoint = endpoint_of(made);
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->base_url, "http://127.0.0.1:9/v1");
  EXPECT_EQ(endpoint->key, "mine");
}

TEST(Endpoint, AProvidersOwnKeyGoesToItsOwnAddressOnly) {
  Variable key("OPENAI_API_KEY", "theirs");
  Target made = target("openai");
  made.base_url = "http://elsewhere.example/v1";
  auto endpoint = endpoint_of(made);
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->key, "");
  EXPECT_THAT(key_source(made), HasSubstr("set key_env or key_file"));
}

TEST(Endpoint, AnUnknownProviderNeedsAnAddress) {
  auto endpoint = endpoint_of(target("acme"));
  ASSERT_FALSE(endpoint);
  EXPECT_EQ(endpoint.error().code, Errc::invalid);
  EXPECT_THAT(endpoint.error().message, HasSubstr("base_url"));
}

TEST(Endpoint, AMissingVariableIsNamed) {
  Target made = target("acme");
  made.base_url = "http://127.0.0.1:9";
  made.key_env = "HEARTH_TEST_NO_SUCH_VARIABLE";
  auto endpoint = endpoint_of(made);
  ASSERT_FALSE(endpoint);
  EXPECT_EQ(endpoint.error().code, Errc::denied);
  EXPECT_THAT(endpoint.error().message, HasSubstr("set HEARTH_TEST_NO_SUCH_VARIABLE"));
}

TEST(KeyFile, ItsOwnersFileIsReadWithoutTheSpaceAroundTheKey) {
  KeyFile file(" sk-2 \r\n\n");
  auto endpoint = endpoint_with_file(file.path);
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_EQ(endpoint->key, "sk-2");
}

TEST(KeyFile, AFileThatOthersCanReadIsRefusedAndSaysWhatToDo) {
  for (mode_t mode : {mode_t{0640}, mode_t{0604}, mode_t{0660}, mode_t{0610}}) {
    KeyFile file("sk-secret", mode);
    auto endpoint = endpoint_with_file(file.path);
    ASSERT_FALSE(endpoint) << mode;
    EXPECT_EQ(endpoint.error().code, Errc::denied);
    EXPECT_THAT(endpoint.error().message, HasSubstr("chmod 600 " + file.path));
    EXPECT_THAT(endpoint.error().message, Not(HasSubstr("secret")));
  }
}

TEST(KeyFile, AMissingFileAndAFolderAreErrors) {
  TemporaryFolder folder;
  EXPECT_FALSE(endpoint_with_file(folder / "nothing"));
  ::chmod(folder.path().c_str(), 0700);
  EXPECT_FALSE(endpoint_with_file(folder.path()));
}

TEST(KeyFile, WhatIsNoKeyIsRefusedWithoutShowingIt) {
  for (std::string_view content : {"", " \n", "sk-secret\nsecond", "sk-secret\r\nx: y", "sk secret",
                                   "sk-s\xc3\xa9"
                                   "cret"}) {
    KeyFile file(content);
    auto endpoint = endpoint_with_file(file.path);
    ASSERT_FALSE(endpoint) << content;
    EXPECT_EQ(endpoint.error().code, Errc::denied);
    EXPECT_THAT(endpoint.error().message, HasSubstr(file.path));
    EXPECT_THAT(endpoint.error().message, Not(HasSubstr("secret")));
  }
}

TEST(WithoutKey, TakesTheKeyOutOfAnyText) {
  EXPECT_EQ(without_key("a k b k", "k"), "a [key] b [key]")
      << "also where the replacement holds it";
  EXPECT_EQ(without_key("bad key sk-1.", "sk-1"), "bad key [key].");
  EXPECT_EQ(without_key("text", ""), "text");
}

}  // namespace
}  // namespace hearth::router
