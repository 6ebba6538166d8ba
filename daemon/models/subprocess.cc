#include "models/subprocess.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "support/child_environment.h"
#include "support/file.h"

namespace hearth::models {

Result<ProgramOutput> run_program(const std::vector<std::string>& arguments,
                                  const ProgramOptions& options) {
  std::array<int, 2> out_pipe{}, error_pipe{};
  if (::pipe2(out_pipe.data(), O_CLOEXEC) != 0)
    return file::io_error("make pipe for", arguments[0], errno);
  file::Descriptor out_read(out_pipe[0]), out_write(out_pipe[1]);
  if (::pipe2(error_pipe.data(), O_CLOEXEC) != 0)
    return file::io_error("make pipe for", arguments[0], errno);
  file::Descriptor error_read(error_pipe[0]), error_write(error_pipe[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out_write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, error_write.get(), STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  // What pip needs to reach its index as the user does.
  std::vector<char*> environment =
      child_environment({"PIP_", "PYTHON", "VIRTUAL_ENV", "http_proxy", "https_proxy", "all_proxy",
                         "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
                         "SSL_CERT_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"});
  // In front: of two with one name the first counts.
  for (const std::string& variable : options.environment)
    environment.insert(environment.begin(), const_cast<char*>(variable.c_str()));
  pid_t child = 0;
  int failed = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return file::io_error("run", arguments[0], failed);
  out_write.reset();
  error_write.reset();

  ProgramOutput output;
  struct Source {
    file::Descriptor& from;
    std::string& to;
  };
  std::array<Source, 2> sources{Source{out_read, output.out}, Source{error_read, output.errors}};
  while (out_read || error_read) {
    std::array<pollfd, 2> waits{pollfd{out_read.get(), POLLIN, 0},
                                pollfd{error_read.get(), POLLIN, 0}};
    constexpr int kLookMs = 250;
    const int n_ready = ::poll(waits.data(), waits.size(), options.meanwhile ? kLookMs : -1);
    if (n_ready < 0 && errno != EINTR) break;
    if (n_ready == 0) options.meanwhile();
    for (size_t i = 0; i < sources.size(); ++i) {
      if (waits[i].revents == 0) continue;
      char buffer[1 << 14];
      ssize_t n = ::read(sources[i].from.get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0)
        sources[i].from.reset();
      else if (sources[i].to.size() < options.max_bytes)
        sources[i].to.append(buffer, static_cast<size_t>(n));
    }
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

}  // namespace hearth::models
