#include "providers/secret_service.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "support/child_environment.h"

namespace hearth::router {

namespace {

constexpr std::chrono::seconds kPatience{5};
constexpr std::chrono::minutes kKept{5};
constexpr size_t kMostBytes = 16 << 10;

// A child that writes to a pipe of ours; gone with this, whatever it does.
struct Child {
  pid_t pid = -1;
  int output = -1;
  ~Child() {
    if (output >= 0) ::close(output);
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
};

bool start(const std::string& name, Child& child) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  child.output = ends[0];
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  std::string words[] = {"secret-tool", "lookup", "service", "hearth", "key", name};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<char*> environment =
      child_environment({"DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"});
  const int failed = ::posix_spawnp(&child.pid, "secret-tool", &actions, nullptr, arguments.data(),
                                    environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed) child.pid = -1;
  return !failed;
}

}  // namespace

Task<Result<std::string>> SecretService::lookup(std::string name) {
  if (auto known = known_.find(name); known != known_.end() && known->second.until > clock_.now())
    co_return known->second.key;
  Child child;
  if (!start(name, child))
    co_return Error{Errc::denied,
                    "key_secret needs the program secret-tool (package libsecret-tools), which "
                    "could not be started"};
  net::any_io_executor executor = co_await net::this_coro::executor;
  net::posix::stream_descriptor pipe(executor, ::dup(child.output));
  net::steady_timer deadline(executor, kPatience);
  std::string said;
  auto buffer = net::dynamic_buffer(said, kMostBytes);
  using namespace net::experimental::awaitable_operators;
  auto reading = net::async_read(pipe, buffer, as_result);
  auto waiting = deadline.async_wait(as_result);
  auto first = co_await (std::move(reading) || std::move(waiting));
  while (said.ends_with('\n')) said.pop_back();
  if (first.index() == 1)
    co_return Error{Errc::denied,
                    fmt::format("secret-tool gave no key \"{}\" in {} s: is the keyring locked?",
                                name, kPatience.count())};
  if (said.empty())
    co_return Error{Errc::denied,
                    fmt::format("the Secret Service holds no key \"{}\": run secret-tool store "
                                "--label \"Hearth: {}\" service hearth key {}",
                                name, name, name)};
  known_[name] = {said, clock_.now() + kKept};
  co_return said;
}

}  // namespace hearth::router
