// session_bench: durable appends per second, one at a time and with 64 waiting, and the time to
// resume a session of 10,000 events. Prints one line per measure; the folder is on the disk of
// the temporary directory.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "daemon/session/loop.h"
#include "session/sessions.h"
#include "session/store.h"
#include "support/scripted_completer.h"
#include "support/temporary_folder.h"
#include "support/watching_client.h"

namespace hearth::test {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::unique_ptr<session::Store> open(Loop& loop, const std::string& folder) {
  session::Store::Options options;
  options.folder = folder;
  auto store = session::Store::open(loop.executor(), options);
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    std::exit(1);
  }
  return std::move(*store);
}

session::Append event(uint64_t seq) {
  session::Append append;
  append.session = "ses_bench";
  session::LoggedEvent logged;
  logged.seq = seq;
  logged.kind = "message.upsert";
  logged.data = fmt::format("{{\"text\":\"{}\"}}", std::string(1000, 'x'));
  append.events.push_back(std::move(logged));
  return append;
}

Task<> append_until(session::Store& store, uint64_t& next, uint64_t last,
                    std::vector<double>& latencies) {
  while (next <= last) {
    session::Append append = event(next++);
    auto start = Clock::now();
    auto outcome = co_await store.append(std::move(append));
    latencies.push_back(seconds_since(start));
    if (!outcome) std::exit(1);
  }
}

void measure_appends(const std::string& folder, size_t n_waiting, uint64_t n_events) {
  Loop loop;
  auto store = open(loop, folder);
  uint64_t next = 1;
  std::vector<double> latencies;
  auto start = Clock::now();
  for (size_t i = 0; i < n_waiting; ++i)
    net::co_spawn(loop.executor(), append_until(*store, next, n_events, latencies),
                  [](std::exception_ptr) {});
  loop.run_until([&] { return latencies.size() == n_events; });
  double seconds = seconds_since(start);
  std::sort(latencies.begin(), latencies.end());
  fmt::print("append, 1 KB, {} waiting: {:.0f} durable events/s, p50 {:.2f} ms, p99 {:.2f} ms\n",
             n_waiting, static_cast<double>(n_events) / seconds, latencies[n_events / 2] * 1e3,
             latencies[n_events * 99 / 100] * 1e3);
}

void measure_resume(const std::string& folder) {
  constexpr int kEvents = 10000;
  std::string id;
  {
    Loop loop;
    auto store = open(loop, folder);
    ScriptedCompleter completer(loop.executor());
    session::Sessions sessions(loop.executor(), *store, completer);
    protocol::SessionCreate request;
    auto session = loop.run(sessions.create(request));
    id = (*session)->id();
    for (int i = 0; i < kEvents; ++i) {
      protocol::MessageUpsert upsert;
      upsert.message = text_message(i % 2 ? Role::assistant : Role::user, "some words to say");
      upsert.message.id = fmt::format("m{}", i);
      upsert.turn = "t1";
      (*session)->record(std::move(upsert));
    }
    (void)loop.run(store->flush());
  }
  std::vector<double> from_disk, from_memory;
  size_t n_bytes = 0;
  for (int run = 0; run < 9; ++run) {
    Loop loop;
    auto store = open(loop, folder);
    ScriptedCompleter completer(loop.executor());
    session::Sessions sessions(loop.executor(), *store, completer);
    for (auto* times : {&from_disk, &from_memory}) {
      WatchingClient client(1);
      client.is_slow = true;
      protocol::SessionSubscribe request{id, 0, {}};
      auto start = Clock::now();
      auto subscribed = loop.run(sessions.subscribe(client, request));
      times->push_back(seconds_since(start));
      n_bytes = client.queued_bytes();
      if (!subscribed) std::exit(1);
      sessions.forget_client(1);
    }
  }
  std::sort(from_disk.begin(), from_disk.end());
  std::sort(from_memory.begin(), from_memory.end());
  fmt::print(
      "resume, {} events, {} bytes sent: {:.1f} ms after a restart, {:.1f} ms warm (median of "
      "{})\n",
      kEvents, n_bytes, from_disk[4] * 1e3, from_memory[4] * 1e3, from_disk.size());
}

}  // namespace
}  // namespace hearth::test

int main() {
  hearth::test::TemporaryFolder folder;
  hearth::test::measure_appends(folder / "one", 1, 5000);
  hearth::test::measure_appends(folder / "many", 64, 50000);
  hearth::test::measure_resume(folder / "resume");
}
