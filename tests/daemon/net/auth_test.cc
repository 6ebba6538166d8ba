#include "net/auth.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/net/test_server.h"
#include "net/discovery.h"
#include "support/file.h"

namespace hearth::transport {
namespace {

TEST(Token, IsTheSameAfterARestart) {
  TestFolder folder;
  auto first = Token::open(folder.path("state/token"));
  auto second = Token::open(folder.path("state/token"));
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_EQ(first->text(), second->text());
  EXPECT_EQ(first->text().size(), 64u);
}

TEST(Token, DiffersBetweenInstallations) {
  TestFolder folder;
  EXPECT_NE(Token::open(folder.path("a/token"))->text(),
            Token::open(folder.path("b/token"))->text());
}

TEST(Token, FileAndFolderAreForTheOwnerOnly) {
  TestFolder folder;
  auto old_mask = ::umask(0);
  ASSERT_TRUE(Token::open(folder.path("state/token")));
  ::umask(old_mask);
  struct stat info{};
  ASSERT_EQ(::stat(folder.path("state/token").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  ASSERT_EQ(::stat(folder.path("state").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
}

TEST(Token, RefusesAFileThatOthersCanRead) {
  TestFolder folder;
  ASSERT_TRUE(Token::open(folder.path("token")));
  ::chmod(folder.path("token").c_str(), 0644);
  auto token = Token::open(folder.path("token"));
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().code, Errc::denied);
  EXPECT_NE(token.error().message.find(folder.path("token")), std::string::npos);
  EXPECT_NE(token.error().message.find("0644"), std::string::npos);
  EXPECT_NE(token.error().message.find("remove the file"), std::string::npos);
}

TEST(Token, RefusesASymlink) {
  TestFolder folder;
  ASSERT_TRUE(Token::open(folder.path("real")));
  ASSERT_EQ(::symlink(folder.path("real").c_str(), folder.path("token").c_str()), 0);
  auto token = Token::open(folder.path("token"));
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().code, Errc::denied);
  EXPECT_NE(token.error().message.find("symlink"), std::string::npos);
}

TEST(Token, RefusesAFileOfSomeoneElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  TestFolder folder;
  ASSERT_TRUE(Token::open(folder.path("token")));
  ASSERT_EQ(::chown(folder.path("token").c_str(), 65534, 65534), 0);
  auto token = Token::open(folder.path("token"));
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().code, Errc::denied);
  EXPECT_NE(token.error().message.find("uid 65534"), std::string::npos);
}

TEST(Token, RefusesAFileThatHoldsNone) {
  TestFolder folder;
  for (const char* text : {"", "short", "zz"}) {
    ASSERT_TRUE(file::write_atomic(folder.path("token"), text));
    auto token = Token::open(folder.path("token"));
    ASSERT_FALSE(token);
    EXPECT_EQ(token.error().code, Errc::corrupt);
  }
  ASSERT_TRUE(file::write_atomic(folder.path("token"), std::string(1 << 20, 'a')));
  EXPECT_FALSE(Token::open(folder.path("token")));
}

TEST(Token, MatchesNothingButItself) {
  TestFolder folder;
  auto token = Token::open(folder.path("token"));
  ASSERT_TRUE(token);
  const std::string& text = token->text();
  EXPECT_TRUE(token->matches(text));
  EXPECT_FALSE(token->matches(""));
  EXPECT_FALSE(token->matches(text.substr(1)));
  EXPECT_FALSE(token->matches(text + "0"));
  EXPECT_FALSE(token->matches(text + std::string(1, '\0')));
  EXPECT_FALSE(token->matches(std::string(64, '0')));
}

TEST(Token, RotationReplacesItInMemoryAndOnDisk) {
  TestFolder folder;
  auto token = Token::open(folder.path("token"));
  ASSERT_TRUE(token);
  std::string old = token->text(), announced;
  auto announce = [&](const std::string& text) {
    announced = text;
    return Result<>();
  };
  ASSERT_TRUE(token->rotate(announce));
  EXPECT_FALSE(token->matches(old));
  EXPECT_EQ(announced, token->text());
  EXPECT_EQ(Token::open(folder.path("token"))->text(), token->text());
}

TEST(Token, ARotationThatCannotBeAnnouncedLeavesTheOldOne) {
  TestFolder folder;
  auto token = Token::open(folder.path("token"));
  ASSERT_TRUE(token);
  const std::string old = token->text();
  auto announce = [](const std::string&) { return Result<>(Error{Errc::io, "disk full"}); };
  auto done = token->rotate(announce);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "disk full");
  EXPECT_TRUE(token->matches(old));
  EXPECT_EQ(Token::open(folder.path("token"))->text(), old);
}

TEST(Token, ProofDependsOnTokenAndChallenge) {
  TestFolder folder;
  auto token = Token::open(folder.path("token"));
  ASSERT_TRUE(token);
  std::string proof = token->proof("nonce");
  EXPECT_EQ(proof.size(), 64u);
  EXPECT_EQ(proof, token->proof("nonce"));
  EXPECT_NE(proof, token->proof("other"));
  ASSERT_TRUE(token->rotate([](const std::string&) { return Result<>(); }));
  EXPECT_NE(proof, token->proof("nonce"));
}

TEST(Discovery, ReadsWhatWasWritten) {
  TestFolder folder;
  std::string path = discovery_path(folder.folder());
  Discovery written{"http://127.0.0.1:1", "/run/daemon.sock", "secret", ::getpid(), "e1", "0.1"};
  ASSERT_TRUE(write_discovery(path, written));
  auto read = read_discovery(path);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->url, written.url);
  EXPECT_EQ(read->socket, written.socket);
  EXPECT_EQ(read->token, written.token);
  EXPECT_EQ(read->pid, written.pid);
  EXPECT_EQ(read->epoch, written.epoch);
  EXPECT_EQ(read->version, written.version);
}

TEST(Discovery, RefusesAFileThatOthersCanWrite) {
  TestFolder folder;
  std::string path = discovery_path(folder.folder());
  ASSERT_TRUE(write_discovery(path, Discovery{}));
  ::chmod(path.c_str(), 0666);
  auto read = read_discovery(path);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::denied);
}

TEST(Discovery, SaysThatNoDaemonWasStarted) {
  TestFolder folder;
  auto read = read_discovery(discovery_path(folder.folder()));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::not_found);
}

TEST(Discovery, RefusesNonsense) {
  TestFolder folder;
  std::string path = discovery_path(folder.folder());
  for (const char* nonsense : {"{\"url\": 7}", "{\"url\": \"x\"", "{}", ""}) {
    ASSERT_TRUE(file::write_atomic(path, nonsense));
    auto read = read_discovery(path);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::corrupt);
    EXPECT_EQ(read.error().message.rfind(path, 0), 0u) << read.error().message;
  }
}

TEST(Discovery, RemovesOnlyItsOwnFile) {
  TestFolder folder;
  std::string path = discovery_path(folder.folder());
  Discovery daemon;
  daemon.pid = ::getpid() + 1;
  ASSERT_TRUE(write_discovery(path, daemon));
  remove_discovery(path);
  EXPECT_TRUE(std::filesystem::exists(path));
  daemon.pid = ::getpid();
  ASSERT_TRUE(write_discovery(path, daemon));
  remove_discovery(path);
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace hearth::transport
