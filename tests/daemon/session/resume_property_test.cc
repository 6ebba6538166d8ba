// Random client programs against the fold: whatever a client does (subscribe, drop, resume, read
// slowly, leave, come back after a crash of the daemon), in the end it holds the state of the
// session that was never interrupted, and no event reached it twice.
//
// HEARTH_TEST_CYCLES sets the number of programs. A failure prints its seed.
#include <fmt/format.h>

#include <cstdlib>
#include <random>

#include "session_fixture.h"

namespace hearth::test {
namespace {

class ResumeProgram : public SessionTest {
 protected:
  void run(uint64_t seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    random.seed(seed);
    id = create();
    clients.clear();
    for (uint64_t i = 1; i <= 3; ++i) clients.push_back(std::make_unique<Client>(i));
    int n_turns = 0;
    for (int step = 0; step < 40 && !HasFailure(); ++step) {
      switch (pick(7)) {
        case 0: plan_turn(fmt::format("k{}", ++n_turns)); break;
        case 1: daemon->completer.release(); break;
        case 2: connect(any()); break;
        case 3: drop(any()); break;
        case 4: toggle_speed(any()); break;
        case 5: rename(step); break;
        default:
          if (pick(12) == 0) crash_and_forget();
      }
      daemon->loop.poll();
    }
    settle();
  }

 private:
  struct Client {
    explicit Client(uint64_t client_id) : sink(client_id) {}
    WatchingClient sink;
    bool is_connected = false;
    bool has_cursor = false;
  };

  size_t pick(size_t n) { return random() % n; }
  Client& any() { return *clients[pick(clients.size())]; }

  void plan_turn(const std::string& key) {
    std::vector<Step> script;
    for (size_t i = pick(30); i-- > 0;) {
      size_t n_bytes = pick(20) ? 1 + pick(20) : pick(400 << 10);
      switch (pick(8)) {
        case 0: script.push_back(think(std::string(n_bytes, 't'))); break;
        case 1: script.push_back(wait()); break;
        case 2: script.push_back(call_tool(fmt::format("c{}", i), "read", "{}")); break;
        case 3: script.push_back(progress(1, 2)); break;
        default: script.push_back(say(std::string(n_bytes, static_cast<char>('a' + i % 26))));
      }
    }
    if (pick(5) == 0) script.push_back(fail(Errc::upstream, "broke"));
    daemon->completer.plan(std::move(script));
    auto started = start_turn(turn(id, key));
    if (!started) {
      EXPECT_EQ(started.error().code, Errc::busy) << started.error().message;
    }
  }

  void connect(Client& client) {
    std::optional<uint64_t> since = client.sink.cursor();
    std::optional<uint64_t> epoch;
    if (client.has_cursor) epoch = client.sink.epoch();
    if (pick(10) == 0) since.reset();
    client.sink.disconnect();
    auto subscribed = subscribe(client.sink, id, since, epoch);
    ASSERT_TRUE(subscribed) << subscribed.error().message;
    client.is_connected = client.has_cursor = true;
  }

  void drop(Client& client) {
    daemon->sessions->forget_client(client.sink.client_id());
    client.sink.disconnect();
    client.is_connected = false;
    client.sink.is_slow = false;
  }

  void toggle_speed(Client& client) {
    client.sink.is_slow = !client.sink.is_slow;
    if (!client.sink.is_slow) read_all(client);
  }

  void read_all(Client& client) {
    while (client.sink.queued_bytes()) client.sink.drain();
  }

  void rename(int step) {
    protocol::SessionRenamed renamed{fmt::format("title {}", step)};
    std::vector<protocol::EventData> events;
    events.emplace_back(renamed);
    ASSERT_TRUE(daemon->loop.run(session(id)->record_durably(std::move(events))));
  }

  void crash_and_forget() {
    for (auto& client : clients) drop(*client);
    crash();
  }

  void settle() {
    daemon->loop.run_until([&] {
      daemon->completer.release();
      return session(id)->view().info.state == protocol::Activity::idle;
    });
    for (auto& client : clients) {
      client->sink.is_slow = false;
      read_all(*client);
      if (!client->is_connected) connect(*client);
      expect_same_state(client->sink, id);
    }
    std::string live = folded(session(id)->view());
    for (auto& client : clients) drop(*client);
    restart();
    EXPECT_EQ(folded(session(id)->view()), live) << "replay from the log";
  }

  std::mt19937_64 random;
  std::string id;
  std::vector<std::unique_ptr<Client>> clients;
};

TEST_F(ResumeProgram, EndsInTheStateOfTheUninterruptedRun) {
  const char* wanted = std::getenv("HEARTH_TEST_CYCLES");
  uint64_t n_programs = wanted ? static_cast<uint64_t>(std::atoi(wanted)) : 60;
  for (uint64_t seed = 1; seed <= n_programs && !HasFailure(); ++seed) run(seed);
}

}  // namespace
}  // namespace hearth::test
