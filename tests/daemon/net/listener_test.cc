#include "net/listener.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "daemon/net/test_server.h"

namespace hearth::transport {
namespace {

class ListenerTest : public ::testing::Test {
 protected:
  Result<Listener> open(std::string address = "127.0.0.1", uint16_t port = 0) {
    ListenOptions options;
    options.runtime_folder = folder_.path("run");
    options.address = std::move(address);
    options.port = port;
    return Listener::open(context_.get_executor(), options);
  }

  TestFolder folder_;
  net::io_context context_;
};

TEST_F(ListenerTest, ListensOnASocketAndAPortOfItsOwn) {
  auto listener = open();
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_NE(listener->port(), 0);
  EXPECT_EQ(listener->url(), "http://127.0.0.1:" + std::to_string(listener->port()));
  EXPECT_GE(RawClient::tcp(listener->port()).fd(), 0);
  EXPECT_GE(RawClient::unix_socket(listener->socket_path()).fd(), 0);
}

TEST_F(ListenerTest, SocketAndFolderAreForTheOwnerOnly) {
  auto old_mask = ::umask(0);
  auto listener = open();
  ::umask(old_mask);
  ASSERT_TRUE(listener);
  struct stat info{};
  ASSERT_EQ(::stat(listener->socket_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  ASSERT_EQ(::stat(folder_.path("run").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
}

TEST_F(ListenerTest, ASecondStartIsToldWhoRuns) {
  auto first = open();
  ASSERT_TRUE(first);
  auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::busy);
  EXPECT_NE(second.error().message.find("pid " + std::to_string(::getpid())), std::string::npos)
      << second.error().message;
  EXPECT_GE(RawClient::unix_socket(first->socket_path()).fd(), 0) << "the first one still serves";
}

TEST_F(ListenerTest, RemovesItsSocketAndLetsTheNextOneIn) {
  std::string path;
  {
    auto listener = open();
    ASSERT_TRUE(listener);
    path = listener->socket_path();
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(open());
}

TEST_F(ListenerTest, TakesOverTheSocketOfADeadDaemon) {
  {
    ASSERT_TRUE(open());
  }
  int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = folder_.path("run/daemon.sock");
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(fd);  // the file stays, nobody listens
  auto listener = open();
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_GE(RawClient::unix_socket(path).fd(), 0);
}

TEST_F(ListenerTest, RefusesToReplaceWhatIsNoSocket) {
  std::filesystem::create_directory(folder_.path("run"));
  std::ofstream(folder_.path("precious")) << "data";
  std::filesystem::permissions(folder_.path("run"), std::filesystem::perms::owner_all);
  std::filesystem::create_symlink(folder_.path("precious"), folder_.path("run/daemon.sock"));
  auto listener = open();
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, Errc::denied);
  EXPECT_TRUE(std::filesystem::exists(folder_.path("precious")));
}

TEST_F(ListenerTest, RefusesAFolderThatOthersMayWrite) {
  std::filesystem::create_directory(folder_.path("run"));
  ::chmod(folder_.path("run").c_str(), 0777);
  auto listener = open();
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, Errc::denied);
  EXPECT_NE(listener.error().message.find("0777"), std::string::npos);
}

TEST_F(ListenerTest, RefusesASocketPathThatIsTooLong) {
  ListenOptions options;
  options.runtime_folder = folder_.path(std::string(100, 'x'));
  options.port = 0;
  auto listener = Listener::open(context_.get_executor(), options);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, Errc::invalid);
  EXPECT_NE(listener.error().message.find("at most 107"), std::string::npos)
      << listener.error().message;
}

TEST_F(ListenerTest, RefusesAddressesBeyondLoopback) {
  for (const char* address : {"0.0.0.0", "192.168.1.10", "::", "fe80::1"}) {
    auto listener = open(address);
    ASSERT_FALSE(listener) << address;
    EXPECT_EQ(listener.error().code, Errc::denied);
    EXPECT_NE(listener.error().message.find("127.0.0.1"), std::string::npos) << "names the fix";
  }
  auto listener = open("example.org");
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, Errc::invalid);
}

TEST_F(ListenerTest, TakesAnotherPortWhenItsOwnIsTaken) {
  auto first = open();
  ASSERT_TRUE(first);
  ListenOptions options;
  options.runtime_folder = folder_.path("other");
  options.port = first->port();
  auto second = Listener::open(context_.get_executor(), options);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_NE(second->port(), first->port());
  EXPECT_NE(second->port(), 0);
}

TEST_F(ListenerTest, AdmitsOnlyItsOwnUserOnTheUnixSocket) {
  EXPECT_TRUE(Listener::admit_uid(1000, 1000));
  EXPECT_TRUE(Listener::admit_uid(0, 1000)) << "root can do everything anyway";
  auto stranger = Listener::admit_uid(1001, 1000);
  ASSERT_FALSE(stranger);
  EXPECT_EQ(stranger.error().code, Errc::denied);
}

}  // namespace
}  // namespace hearth::transport
