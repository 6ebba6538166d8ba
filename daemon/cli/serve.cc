// `hearth serve`: the daemon, in the foreground or detached.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "net/discovery.h"
#include "service/daemon.h"
#include "support/file.h"
#include "support/log.h"

namespace hearth::cli {

namespace {

struct Options {
  std::optional<uint16_t> port;
  bool detach = false;
};

// Whether clients find a daemon that lives. What a killed one left behind names no living process.
bool can_be_found(const Common& common) {
  auto daemon = transport::read_discovery(transport::discovery_path(common.folders.runtime));
  return daemon && ::kill(static_cast<pid_t>(daemon->pid), 0) == 0;
}

int serve_until_stopped(const Common& common, const Options& options,
                        std::function<void()> on_ready) {
  using namespace std::chrono;
  constexpr milliseconds kLook{50}, kLongest{30'000};
  DaemonOptions daemon;
  daemon.folders = common.folders;
  daemon.config_files = common.config_files;
  daemon.port = options.port;
  daemon.on_ready = std::move(on_ready);
  const auto end = steady_clock::now() + kLongest;
  for (bool is_told = false;; is_told = true) {
    Result<> done = run_daemon(daemon);
    if (done) return 0;
    if (done.error().code != Errc::busy) return fail(done.error());
    if (can_be_found(common)) {  // one is enough: nothing to do, nothing wrong
      fmt::print(stderr, "{}\n", done.error().message);
      return 0;
    }
    // It starts, or it ends and this one takes its place.
    if (steady_clock::now() > end)
      return fail(
          {Errc::timeout, done.error().message + ", but cannot be found; see `hearth logs`"});
    if (!is_told)
      fmt::print(stderr, "{}, waiting until it can be found or is gone\n", done.error().message);
    std::this_thread::sleep_for(kLook);
  }
}

void announce(const Common& common) {
  auto daemon = transport::read_discovery(transport::discovery_path(common.folders.runtime));
  if (daemon)
    fmt::print(stderr, "hearth {} is ready at {} (pid {})\n", daemon->version, daemon->url,
               daemon->pid);
}

// Forks before any thread exists. The parent returns when the child is ready or has failed; the
// child's messages until then come through the pipe, after that it holds no file of the caller's:
// a pipe would never end, a lock never be free.
int detach(const Common& common, const Options& options) {
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0)
    return fail({Errc::io, fmt::format("pipe: {}", strerror(errno))});
  pid_t child = ::fork();
  if (child < 0) return fail({Errc::io, fmt::format("fork: {}", strerror(errno))});
  if (child == 0) {
    constexpr int kToParent = STDERR_FILENO + 1;
    if (pipe_fds[1] != kToParent) ::dup3(pipe_fds[1], kToParent, O_CLOEXEC);
    ::close_range(kToParent + 1, ~0u, 0);
    ::setsid();
    int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
    ::dup2(kToParent, STDERR_FILENO);
    (void)!::chdir("/");
    int status = serve_until_stopped(common, options, [&] {
      ::dup2(null, STDERR_FILENO);
      char ready = '\0';  // no message contains it
      (void)!::write(kToParent, &ready, 1);
      ::close(kToParent);
    });
    ::_exit(status);
  }
  ::close(pipe_fds[1]);
  file::Descriptor from_child(pipe_fds[0]);
  std::string text;
  char buffer[4096];
  for (;;) {
    ssize_t n = ::read(from_child.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
    if (const size_t ready = text.find('\0'); ready != text.npos) {
      fmt::print(stderr, "{}", std::string_view(text).substr(0, ready));
      announce(common);
      return 0;
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  fmt::print(stderr, "{}", text);
  return WIFEXITED(status) ? WEXITSTATUS(status) : kFailed;
}

int run(const Common& common, const Options& options) {
  if (options.detach) return detach(common, options);
  return serve_until_stopped(common, options, [&] { announce(common); });
}

}  // namespace

Command serve() {
  return command(
      "serve", "Run the daemon in the foreground", run, [](Form& form, Options& options) {
        form.option("--port", options.port, "Loopback TCP port (default 48620; 0: any free one)")
            .between(0, 65535);
        form.flag("--detach", options.detach,
                  "Start it in the background and return when it is ready");
      });
}

}  // namespace hearth::cli
