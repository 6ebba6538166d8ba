#include "engine/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>

namespace hearth::engine {
namespace {

// Runs `look` in a process that has entered the sandbox.
void check(const std::function<bool(int socket_fd)>& look) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  int shared = ::memfd_create("snapshot", 0);
  auto child = [&] {
    if (auto entered = enter_sandbox(ends[1], shared); !entered) ::_exit(2);
    ::_exit(look(ends[1]) ? 0 : 1);
  };
  EXPECT_EXIT(child(), ::testing::ExitedWithCode(0), "");
  for (int fd : {ends[0], ends[1], shared}) ::close(fd);
}

bool is_refused(long result) { return result == -1 && errno == EPERM; }

TEST(Sandbox, RefusesNetwork) {
  check([](int) { return is_refused(::socket(AF_INET, SOCK_STREAM, 0)); });
  check([](int) { return is_refused(::socket(AF_UNIX, SOCK_STREAM, 0)); });
  check([](int fd) { return is_refused(::connect(fd, nullptr, 0)); });
}

#if !defined(HEARTH_SANITIZED)  // which has need of both
TEST(Sandbox, RefusesOtherPrograms) {
  check([](int) {
    char name[] = "true";
    char* argv[] = {name, nullptr};
    return is_refused(::execve("/bin/true", argv, nullptr));
  });
}

TEST(Sandbox, RefusesToBeTraced) {
  check([](int) { return is_refused(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); });
}
#endif

TEST(Sandbox, RefusesOtherProcesses) {
  check(
      [](int) { return is_refused(::syscall(SYS_process_vm_readv, ::getppid(), 0, 0, 0, 0, 0)); });
}

TEST(Sandbox, RefusesWaysAroundTheFilter) {
  check([](int) { return is_refused(::syscall(SYS_io_uring_setup, 1, nullptr)); });
}

TEST(Sandbox, ClosesWhatItWasNotGiven) {
  int leaked = ::open("/dev/null", O_RDONLY);
  check([&](int) { return ::fcntl(leaked, F_GETFD) == -1 && errno == EBADF; });
  ::close(leaked);
}

TEST(Sandbox, KeepsItsSocketAndModelsReadable) {
  check([](int fd) { return ::write(fd, "x", 1) == 1; });
  check([](int) { return ::open("/dev/null", O_RDONLY) >= 0; });
}

TEST(Sandbox, BoundsTheFilesThatItWrites) {
  check([](int) {
    const int file = ::memfd_create("log", 0);
    return ::pwrite(file, "x", 1, 0) == 1 && ::pwrite(file, "x", 1, 1 << 30) == -1 &&
           errno == EFBIG;
  });
}

TEST(Sandbox, ForbidsCoreDumps) {
  check([](int) {
    rlimit limit{};
    return ::getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0;
  });
}

TEST(Sandbox, OffersItselfFirstWhenMemoryRunsOut) {
  check([](int) {
    char text[8] = {};
    int fd = ::open("/proc/self/oom_score_adj", O_RDONLY);
    return ::read(fd, text, sizeof text - 1) > 0 && std::atoi(text) == 500;
  });
}

TEST(Sandbox, RefusesToRunWithoutItsDaemon) {
  auto orphan = [] {  // made its own socketpair: the peer is not the parent
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) ::_exit(2);
    auto entered = enter_sandbox(ends[1], ::memfd_create("snapshot", 0));
    ::_exit(entered ? 1 : 0);
  };
  EXPECT_EXIT(orphan(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace hearth::engine
