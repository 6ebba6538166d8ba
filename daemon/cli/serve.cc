// `hearth serve`: the daemon, in the foreground or detached.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

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

int serve_until_stopped(const Common& common, const Options& options,
                        std::function<void()> on_ready) {
  DaemonOptions daemon;
  daemon.folders = common.folders;
  daemon.config_files = common.config_files;
  daemon.port = options.port;
  daemon.on_ready = std::move(on_ready);
  Result<> done = run_daemon(std::move(daemon));
  if (done) return 0;
  if (done.error().code == Errc::busy) {  // one is enough: nothing to do, nothing wrong
    fmt::print(stderr, "{}\n", done.error().message);
    return 0;
  }
  return fail(done.error());
}

void announce(const Common& common) {
  auto daemon = transport::read_discovery(transport::discovery_path(common.folders.runtime));
  if (daemon)
    fmt::print(stderr, "hearth {} is ready at {} (pid {})\n", daemon->version, daemon->url,
               daemon->pid);
}

// Forks before any thread exists. The parent returns when the child is ready or has failed; the
// child's messages until then come through the pipe, after that it holds no file of the caller's.
int detach(const Common& common, const Options& options) {
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0)
    return fail({Errc::io, fmt::format("pipe: {}", strerror(errno))});
  pid_t child = ::fork();
  if (child < 0) return fail({Errc::io, fmt::format("fork: {}", strerror(errno))});
  if (child == 0) {
    ::close(pipe_fds[0]);
    ::setsid();
    int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
    ::dup2(pipe_fds[1], STDERR_FILENO);
    (void)!::chdir("/");
    int status = serve_until_stopped(common, options, [&] {
      ::dup2(null, STDERR_FILENO);
      char ready = '\0';  // no message contains it
      (void)!::write(pipe_fds[1], &ready, 1);
      ::close(pipe_fds[1]);
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
    if (text.find('\0') != text.npos) {
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
