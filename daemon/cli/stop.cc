// `hearth stop`: asks the daemon to end, and waits until it has.
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "daemon/protocol/model.h"
#include "support/file.h"

namespace hearth::cli {

namespace {

struct Options {
  bool drain = false;
};

// What `stop` was asked for is already so.
int none_is_running() {
  fmt::print(stderr, "no daemon is running\n");
  return 0;
}

int run(const Common& common, const Options& options) {
  auto daemon = find_daemon(common.folders);
  if (!daemon)
    return daemon.error().code == Errc::not_found ? none_is_running() : fail(daemon.error());
  // Held before it is asked to end, so that the wait is for this process and no later one.
  file::Descriptor process(
      static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(daemon->pid), 0)));
  auto client = RpcClient::connect(*daemon);
  if (!client)
    return client.error().code == Errc::not_found ? none_is_running() : fail(client.error());
  protocol::Shutdown how;
  how.drain = options.drain;
  // The daemon may be gone before its answer has come: what counts is that it ends.
  auto asked = client->call<protocol::Empty>("ops/shutdown", how);
  if (!asked && !process) return fail(asked.error());
  if (process) {
    pollfd ended{process.get(), POLLIN, 0};
    constexpr int kDrainMs = 125'000, kStopMs = 15'000;
    if (::poll(&ended, 1, options.drain ? kDrainMs : kStopMs) == 0)
      return fail({Errc::timeout,
                   fmt::format("the daemon (pid {}) did not end in time{}; see `hearth logs`",
                               daemon->pid, asked ? "" : ": " + asked.error().message)});
  }
  fmt::print(stderr, "stopped\n");
  return 0;
}

}  // namespace

Command stop() {
  return command("stop", "Stop the daemon", run, [](Form& form, Options& options) {
    form.flag("--drain", options.drain, "Let running answers end first");
  });
}

}  // namespace hearth::cli
