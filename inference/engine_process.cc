#include "engine_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "support/child_environment.h"
#include "support/log.h"

namespace hearth::engine {

namespace {

constexpr int kSocketFd = 3, kSnapshotFd = 4;  // in the child
constexpr int kAboveChildFds =
    10;  // so that one dup2 in the child cannot overwrite another's source

Error failed(std::string_view what, int error_number = errno) {
  return file::io_error(what, "the engine process", error_number);
}

struct Sockets {
  file::Descriptor ours, childs;
};

Result<Sockets> connected_sockets() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return failed("socketpair");
  Sockets sockets{file::Descriptor(ends[0]), file::Descriptor(ends[1])};
  sockets.childs.reset(::fcntl(ends[1], F_DUPFD_CLOEXEC, kAboveChildFds));
  if (!sockets.childs) return failed("fcntl(F_DUPFD_CLOEXEC)");
  return sockets;
}

// Sealed: a child that shrank it would kill us on the next look (SIGBUS).
Result<file::Descriptor> snapshot_memory() {
  file::Descriptor memory(
      ::memfd_create("hearth-engine-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) return failed("memfd_create");
  if (::ftruncate(memory.get(), sizeof(Snapshot)) != 0) return failed("ftruncate");
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return failed("fcntl(F_ADD_SEALS)");
  memory.reset(::fcntl(memory.get(), F_DUPFD_CLOEXEC, kAboveChildFds));
  if (!memory) return failed("fcntl(F_DUPFD_CLOEXEC)");
  return memory;
}

// Where the child's stderr goes; none: where ours does. A log that cannot be written must not keep
// models from being answered.
file::Descriptor open_log(const std::string& path) {
  if (path.empty()) return file::Descriptor();
  constexpr off_t kMaxBytes = 4 << 20;
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && info.st_size > kMaxBytes)
    std::rename(path.c_str(), (path + ".1").c_str());
  file::Descriptor log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) {
    log::warn("the engine's messages are lost", {{"log", path}, {"error", std::strerror(errno)}});
    log.reset(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  }
  log.reset(::fcntl(log.get(), F_DUPFD_CLOEXEC, kAboveChildFds));
  return log;
}

// Descriptors and signals of the child, undone with the object.
class SpawnPlan {
 public:
  SpawnPlan(int socket_fd, int snapshot_fd, int log_fd) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (log_fd >= 0) posix_spawn_file_actions_adddup2(&actions_, log_fd, STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, socket_fd, kSocketFd);
    posix_spawn_file_actions_adddup2(&actions_, snapshot_fd, kSnapshotFd);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  Result<pid_t> start(const std::string& executable) const {
    std::string words[] = {"hearth",     "engine",
                           "--socket",   fmt::to_string(kSocketFd),
                           "--snapshot", fmt::to_string(kSnapshotFd)};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t pid = -1;
    int failure = posix_spawn(&pid, executable.c_str(), &actions_, &attributes_, argv.data(),
                              child_environment().data());
    if (failure != 0) return failed("start " + executable + " as", failure);
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Result<EngineProcess> EngineProcess::spawn(const std::string& executable,
                                           const std::string& log_path) {
  auto sockets = connected_sockets();
  if (!sockets) return sockets.error();
  auto memory = snapshot_memory();
  if (!memory) return memory.error();
  EngineProcess process;
  void* shared = ::mmap(nullptr, sizeof(Snapshot), PROT_READ, MAP_SHARED, memory->get(), 0);
  if (shared == MAP_FAILED) return failed("mmap");
  process.snapshot_ = static_cast<const Snapshot*>(shared);

  const file::Descriptor log = open_log(log_path);
  SpawnPlan plan(sockets->childs.get(), memory->get(), log.get());
  auto pid = plan.start(executable);
  if (!pid) return pid.error();
  process.pid_ = *pid;
  process.socket_ = std::move(sockets->ours);
  // By number: the C library's header declares pidfd_open() for C only.
  process.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
  if (!process.pidfd_) return failed("pidfd_open");
  return process;
}

EngineProcess::EngineProcess(EngineProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      socket_(std::move(other.socket_)),
      pidfd_(std::move(other.pidfd_)),
      snapshot_(std::exchange(other.snapshot_, nullptr)) {}

EngineProcess::~EngineProcess() {
  if (pid_ > 0) {
    kill();
    reap();
  }
  if (snapshot_) ::munmap(const_cast<Snapshot*>(snapshot_), sizeof(Snapshot));
}

void EngineProcess::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);  // not reaped yet, so the number is still this child's
}

std::string EngineProcess::reap() {
  siginfo_t info{};
  while (pid_ > 0 && ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 &&
         errno == EINTR) {
  }
  pid_ = -1;
  return fmt::format("{} {}", info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
}

}  // namespace hearth::engine
