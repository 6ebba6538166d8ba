#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>

#include "backend/cpu/ops.h"
#include "backend/cpu/thread_pool.h"
#include "engine/engine.h"
#include "engine/frame_io.h"
#include "engine/loaded_model.h"
#include "engine/sandbox.h"
#include "inference/entry_points.h"
#include "support/log.h"

namespace hearth::engine {

namespace {

struct Flags {
  int socket_fd = -1;
  int snapshot_fd = -1;
};

std::optional<Flags> parse(std::span<const std::string> arguments) {
  Flags flags;
  for (size_t i = 0; i + 1 < arguments.size(); i += 2) {
    const std::string& value = arguments[i + 1];
    int fd = -1;
    auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), fd);
    if (failure != std::errc{} || end != value.data() + value.size()) return std::nullopt;
    if (arguments[i] == "--socket") flags.socket_fd = fd;
    if (arguments[i] == "--snapshot") flags.snapshot_fd = fd;
  }
  if (flags.socket_fd < 0 || flags.snapshot_fd < 0) return std::nullopt;
  return flags;
}

int64_t unix_time_s() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

int serve(int socket_fd, Snapshot* snapshot) {
  bool is_daemon_gone = false;
  std::string error;
  {
    Outbox outbox(socket_fd);
    Inbox inbox(socket_fd);
    Engine engine({.emit = [&](const FromEngine& event) { is_daemon_gone |= !outbox.push(event); },
                   .clock = std::chrono::steady_clock::now,
                   .unix_time_s = unix_time_s,
                   .wake = [&] { inbox.wake(); },
                   .snapshot = snapshot});
    using Wait = Inbox::Wait;
    Wait wait = Wait::as_long_as_it_takes;
    while (!engine.is_finished() && !is_daemon_gone && !inbox.is_at_end()) {
      for (const ToEngine& message : inbox.take(wait)) engine.handle(message);
      ++snapshot->beat;
      wait = engine.step()         ? Wait::none
             : engine.is_waiting() ? Wait::a_moment  // the daemon waits too, and watches the beat
                                   : Wait::as_long_as_it_takes;
    }
    error = inbox.error();
    ::shutdown(socket_fd, SHUT_RD);  // ends the inbox's read
  }
  if (error.empty()) return 0;
  log::error("engine: malformed message from the daemon", {{"error", error}});
  return 1;
}

}  // namespace

std::string processor_path() { return std::string(cpu::name_of(cpu::best_path())); }

uint64_t model_memory_bytes() { return default_memory_bytes(cpu::usable_memory_bytes()); }

int engine_main(std::span<const std::string> arguments) {
  auto flags = parse(arguments);
  if (!flags) {
    std::fputs("usage: hearth engine --socket FD --snapshot FD (started by the daemon only)\n",
               stderr);
    return 2;
  }
  if (auto entered = enter_sandbox(flags->socket_fd, flags->snapshot_fd); !entered) {
    log::error(entered.error().message);
    return 1;
  }
  ::signal(SIGPIPE, SIG_IGN);  // a daemon that is gone is an error of write()
  ::signal(SIGINT, SIG_IGN);   // Ctrl-C in the daemon's terminal is the daemon's to handle

  void* shared =
      ::mmap(nullptr, sizeof(Snapshot), PROT_READ | PROT_WRITE, MAP_SHARED, flags->snapshot_fd, 0);
  if (shared == MAP_FAILED) {
    log::error("engine: cannot map the snapshot page", {{"fd", flags->snapshot_fd}});
    return 1;
  }
  return serve(flags->socket_fd, static_cast<Snapshot*>(shared));
}

}  // namespace hearth::engine
