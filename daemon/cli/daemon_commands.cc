// `hearth status`, `stop`, `token rotate`: one call to the daemon each.
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "cli/commands.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "daemon/protocol/model.h"
#include "support/file.h"

namespace hearth::cli {

namespace {

void print_health(const protocol::Health& health) {
  fmt::print("hearth {}  pid {}  up {:.0f} s  {} resident\n", health.version, health.pid,
             health.uptime_s, size_text(health.resident_bytes));
  fmt::print("  {}\n  {}\n  {} client{}\n", health.url, health.socket, health.n_connections,
             health.n_connections == 1 ? "" : "s");
  const protocol::EngineStats& engine = health.engine;
  if (engine.pid < 0) {
    fmt::print("  engine: not running (it starts with the first local request)\n");
    return;
  }
  fmt::print(
      "  engine: pid {}, {} running, {} queued, {} of {} KV pages, prefill {:.0f} tok/s, decode "
      "{:.0f} tok/s\n",
      engine.pid, engine.n_running, engine.n_queued, engine.n_pages_used, engine.n_pages_total,
      engine.prefill_tokens_per_s, engine.decode_tokens_per_s);
  for (const std::string& model : engine.loaded) fmt::print("  loaded: {}\n", model);
}

// What `stop` was asked for is already so.
int none_is_running() {
  fmt::print(stderr, "no daemon is running\n");
  return 0;
}

}  // namespace

int status(const Common& common) {
  auto client = connect_to_daemon(common.folders);
  if (!client) {
    if (!common.json) return fail(client.error());
    fmt::print("{}\n", json::encode(client.error()));
    return kFailed;
  }
  auto health = client->call<protocol::Health>("ops/health", protocol::Empty{});
  if (!health) return fail(health.error());
  if (common.json) {
    fmt::print("{}\n", json::encode(*health));
    return 0;
  }
  print_health(*health);
  return 0;
}

int stop(const Common& common, bool drain) {
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
  how.drain = drain;
  // The daemon may be gone before its answer has come: what counts is that it ends.
  auto asked = client->call<protocol::Empty>("ops/shutdown", how);
  if (!asked && !process) return fail(asked.error());
  if (process) {
    pollfd ended{process.get(), POLLIN, 0};
    constexpr int kDrainMs = 125'000, kStopMs = 15'000;
    if (::poll(&ended, 1, drain ? kDrainMs : kStopMs) == 0)
      return fail({Errc::timeout,
                   fmt::format("the daemon (pid {}) did not end in time{}; see `hearth logs`",
                               daemon->pid, asked ? "" : ": " + asked.error().message)});
  }
  fmt::print(stderr, "stopped\n");
  return 0;
}

int rotate_token(const Common& common) {
  auto before = find_daemon(common.folders);
  auto client = connect_to_daemon(common.folders);
  if (!client) return fail(client.error());
  auto rotated = client->call<protocol::TokenRotated>("ops/rotateToken", protocol::Empty{});
  // Every client is dropped, this one too, maybe before its answer has come: daemon.json tells.
  auto now = find_daemon(common.folders);
  if (!rotated && (!before || !now || before->token == now->token)) return fail(rotated.error());
  fmt::print(stderr, "the token is replaced; clients find the new one in daemon.json\n");
  return 0;
}

}  // namespace hearth::cli
