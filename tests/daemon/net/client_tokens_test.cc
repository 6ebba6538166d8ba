#include "net/client_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "support/file.h"
#include "support/temporary_folder.h"

namespace hearth::transport {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kNow = 1'800'000'000'000;

class ClientTokensTest : public ::testing::Test {
 protected:
  Result<std::string> create(const std::string& name, int64_t expires_ms = 0) {
    ClientToken token;
    token.name = name;
    token.labels = {"work"};
    token.expires_ms = expires_ms;
    return ClientTokens(path_).create(token, kNow);
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_ / "state/tokens.json";
};

TEST_F(ClientTokensTest, AreFoundByTheirTextAndByNothingElse) {
  const auto ci = create("ci"), laptop = create("laptop");
  ASSERT_TRUE(ci && laptop);
  ClientTokens tokens(path_);
  EXPECT_TRUE(tokens.refresh());
  ASSERT_TRUE(tokens.find(*ci));
  EXPECT_EQ(tokens.find(*ci)->name, "ci");
  EXPECT_EQ(tokens.find(*laptop)->name, "laptop");
  EXPECT_EQ(tokens.find(*ci)->labels, std::vector<std::string>{"work"});
  for (const std::string& wrong : {std::string(), *ci + "0", ci->substr(1), std::string("ci"),
                                   tokens.find(*ci)->sha256, std::string(1 << 16, 'x')})
    EXPECT_FALSE(tokens.find(wrong)) << wrong.substr(0, 80);
}

TEST_F(ClientTokensTest, LieHashedInAFileForTheOwnerOnly) {
  const auto ci = create("ci");
  ASSERT_TRUE(ci);
  EXPECT_EQ(ci->size(), 4 + 64u);
  struct stat info{};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  const auto bytes = file::read(path_);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(bytes->find(ci->substr(4)), std::string::npos);
}

TEST_F(ClientTokensTest, AChangeOfTheFileIsSeenAtTheNextLook) {
  ClientTokens seen(path_);
  EXPECT_FALSE(seen.refresh());
  const auto ci = create("ci");
  EXPECT_TRUE(seen.refresh());
  EXPECT_TRUE(seen.find(*ci));
  EXPECT_FALSE(seen.refresh());
  ASSERT_TRUE(ClientTokens(path_).revoke("ci"));
  EXPECT_TRUE(seen.refresh());
  EXPECT_FALSE(seen.find(*ci));
}

TEST_F(ClientTokensTest, AFileThatIsWrongLetsNobodyIn) {
  const auto ci = create("ci");
  ClientTokens seen(path_);
  seen.refresh();
  ::chmod(path_.c_str(), 0644);
  EXPECT_TRUE(seen.refresh());
  EXPECT_FALSE(seen.find(*ci));
  ASSERT_TRUE(seen.fault());
  EXPECT_THAT(seen.fault()->message, HasSubstr("0644"));
  for (std::string text : {"{", "{}x", R"({"tokens": [{"name": "a/b", "sha256": "00"}]})",
                           R"({"tokens": {"name": "ci"}})"}) {
    ASSERT_TRUE(file::write_atomic(path_, text, 0600));
    EXPECT_TRUE(seen.refresh());
    EXPECT_TRUE(seen.list().empty());
    ASSERT_TRUE(seen.fault()) << text;
    EXPECT_THAT(seen.fault()->message, HasSubstr(path_));
  }
}

TEST_F(ClientTokensTest, NamesAreCheckedAndTakenOnce) {
  ASSERT_TRUE(create("ci"));
  const auto again = create("ci");
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message, HasSubstr("hearth token revoke ci"));
  for (std::string name : {"", "-x", "a b", "a\nb", "../x", "ü"})
    EXPECT_FALSE(create(name)) << name;
  EXPECT_FALSE(create(std::string(65, 'a')));
  EXPECT_FALSE(create("late", kNow));
  const auto revoked = ClientTokens(path_).revoke("nobody");
  ASSERT_FALSE(revoked);
  EXPECT_THAT(revoked.error().message, HasSubstr("there are: ci"));
}

TEST_F(ClientTokensTest, SeveralCommandsAtOnceLoseNone) {
  std::vector<std::thread> commands;
  for (int i = 0; i < 8; ++i)
    commands.emplace_back([this, i] { EXPECT_TRUE(create("client" + std::to_string(i))); });
  for (std::thread& each : commands) each.join();
  ClientTokens tokens(path_);
  tokens.refresh();
  EXPECT_EQ(tokens.list().size(), 8u);
}

}  // namespace
}  // namespace hearth::transport
