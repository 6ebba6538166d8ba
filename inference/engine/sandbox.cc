// The system call filter allows by default and denies by list, with EPERM: a library that tries
// something harmless-looking gets an error, not a kill. The list takes away what would turn a
// flaw in parsing a model into something worse: network, programs, other processes, and the kernel
// interfaces that would get around the filter (io_uring) or are popular for attacks on the kernel.
// Opening files stays allowed, since models are opened by path.
#include "engine/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "support/file.h"

namespace hearth::engine {

namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
constexpr uint32_t kForeignAbiBit = 0x40000000;  // x32: the same calls under other numbers
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
constexpr uint32_t kForeignAbiBit = 0;
#else
#error "the system call filter knows x86-64 and AArch64"
#endif

constexpr uint32_t kDenied[] = {
    SYS_socket,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_execveat,
#if !defined(HEARTH_SANITIZED)  // which starts a symbolizer, and reads the process for leaks
    SYS_execve,
    SYS_ptrace,
#endif
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_io_uring_setup,
    SYS_bpf,
    SYS_userfaultfd,
    SYS_perf_event_open,
    SYS_open_by_handle_at,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_mount,
    SYS_umount2,
    SYS_unshare,
    SYS_setns,
    SYS_init_module,
    SYS_finit_module,
    SYS_kexec_load,
};

Error failed(const char* what) {
  return {Errc::io, fmt::format("engine sandbox: {}: {}", what, std::strerror(errno))};
}

// Nothing but stdio and the two given, whatever the daemon leaked to us.
Result<> close_other_descriptors(int a, int b) {
  int low = std::min(a, b), high = std::max(a, b);
  if (low < 3) return Error{Errc::invalid, "engine: --socket and --snapshot must be 3 or more"};
  auto close = [](int from, int to) {
    return from > to ||
           ::close_range(static_cast<unsigned>(from), static_cast<unsigned>(to), 0) == 0;
  };
  if (close(3, low - 1) && close(low + 1, high - 1) && close(high + 1, INT32_MAX)) return {};
  return failed("close_range");
}

// SIGKILL when the daemon's thread that started us ends. It may have ended already: the creator of
// the socketpair is the parent that we expect.
Result<> die_with_parent(int socket_fd) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return failed("prctl(PR_SET_PDEATHSIG)");
  prctl(PR_SET_DUMPABLE, 0);  // prompts are in its memory: not for other programs of the user
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return failed("getsockopt(SO_PEERCRED)");
  if (peer.pid != getppid())
    return Error{Errc::io, fmt::format("engine: the daemon (process {}) has gone, the parent is {}",
                                       peer.pid, getppid())};
  return {};
}

// When the machine runs out of memory the kernel shall take us, not the daemon or an editor. Not
// being able to say so is no reason to stop.
void be_first_when_memory_runs_out() {
  file::Descriptor score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (score) (void)!::write(score.get(), "500", 3);
}

// The log is the one file that it writes: a child that has been taken over shall not fill the disk
// with it. A write beyond is an error, no signal.
Result<> bound_log() {
  constexpr rlim_t kMaxFileBytes = 16u << 20;
  const rlimit small{kMaxFileBytes, kMaxFileBytes};
  ::signal(SIGXFSZ, SIG_IGN);
  if (setrlimit(RLIMIT_FSIZE, &small) != 0) return failed("setrlimit(RLIMIT_FSIZE)");
  return {};
}

Result<> filter_system_calls() {
  auto load = [](size_t offset) {
    return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
  };
  auto give = [](uint32_t action) { return sock_filter BPF_STMT(BPF_RET | BPF_K, action); };
  auto skip_next_unless = [](uint16_t test, uint32_t value) {
    return sock_filter BPF_JUMP(static_cast<uint16_t>(BPF_JMP | test | BPF_K), value, 0, 1);
  };
  const uint32_t deny = SECCOMP_RET_ERRNO | EPERM;

  std::vector<sock_filter> program;
  program.push_back(load(offsetof(seccomp_data, arch)));
  program.push_back(sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
  program.push_back(give(SECCOMP_RET_KILL_PROCESS));
  program.push_back(load(offsetof(seccomp_data, nr)));
  if (kForeignAbiBit) {
    program.push_back(skip_next_unless(BPF_JGE, kForeignAbiBit));
    program.push_back(give(deny));
  }
  for (uint32_t number : kDenied) {
    program.push_back(skip_next_unless(BPF_JEQ, number));
    program.push_back(give(deny));
  }
  program.push_back(give(SECCOMP_RET_ALLOW));

  sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("prctl(PR_SET_NO_NEW_PRIVS)");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) return failed("seccomp filter");
  return {};
}

}  // namespace

Result<> enter_sandbox(int socket_fd, int snapshot_fd) {
  if (auto done = close_other_descriptors(socket_fd, snapshot_fd); !done) return done;
  if (auto done = die_with_parent(socket_fd); !done) return done;
  be_first_when_memory_runs_out();
  const rlimit no_core{0, 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0) return failed("setrlimit(RLIMIT_CORE)");
  if (auto done = bound_log(); !done) return done;
  return filter_system_calls();
}

}  // namespace hearth::engine
