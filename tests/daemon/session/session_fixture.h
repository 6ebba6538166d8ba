// A store, sessions and a scripted completer in a temporary folder, with shorthand for what tests
// do most. restart() is a clean stop and start; crash() starts again from what the disk holds now.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "loop.h"
#include "session/sessions.h"
#include "session/store.h"
#include "support/json.h"
#include "support/scripted_completer.h"
#include "support/temporary_folder.h"
#include "support/watching_client.h"

namespace hearth::test {

// The folded state as text, to compare.
inline std::string folded(const protocol::SessionSnapshot& view) { return json::encode(view); }

class Daemon {
 public:
  explicit Daemon(session::Store::Options options) : completer(loop.executor()) {
    auto opened = session::Store::open(loop.executor(), std::move(options));
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    if (!opened) std::abort();
    store = std::move(*opened);
    sessions.emplace(loop.executor(), *store, completer);
    auto recovered = loop.run(sessions->recover());
    EXPECT_TRUE(recovered);
  }
  // Clients are cut off first, as by a crash: what the stop makes of their sessions they never see.
  ~Daemon() {
    for (uint64_t client = 1; client <= 8; ++client) sessions->forget_client(client);
    sessions->stop();
    loop.run(sessions->join());
    sessions.reset();
    store.reset();
  }

  Loop loop;
  ScriptedCompleter completer;
  std::unique_ptr<session::Store> store;
  std::optional<session::Sessions> sessions;
};

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() { start(); }
  ~SessionTest() override { daemon.reset(); }

  session::Store::Options options() {
    session::Store::Options options;
    options.folder = folder / "state";
    options.quota_bytes = quota_bytes;
    return options;
  }
  void start() { daemon.emplace(options()); }
  void restart() {
    daemon.reset();
    start();
  }
  // As after SIGKILL: a copy of the files at this moment, then a daemon on the copy. What the loop
  // has handed to the store is there; the second flush waits out a checkpoint after the first.
  void crash() {
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(daemon->loop.run(daemon->store->flush()));
    std::string from = folder / "state";
    std::string to = folder / "crashed";
    std::filesystem::copy(from, to);
    daemon.reset();
    std::filesystem::remove_all(from);
    std::filesystem::rename(to, from);
    std::filesystem::remove(from + "/sessions.db-shm");
    start();
  }

  std::string create(std::string title = {}) {
    protocol::SessionCreate request;
    request.title = std::move(title);
    auto session = daemon->loop.run(daemon->sessions->create(std::move(request)));
    EXPECT_TRUE(session);
    return (*session)->id();
  }
  std::shared_ptr<session::Session> session(const std::string& id) {
    auto session = daemon->loop.run(daemon->sessions->open(id));
    EXPECT_TRUE(session) << (session ? "" : session.error().message);
    return session ? *session : nullptr;
  }
  static protocol::TurnStart turn(const std::string& id, const std::string& key,
                                  std::string text = "hello") {
    protocol::TurnStart start;
    start.session = id;
    start.idempotency_key = key;
    start.input.emplace_back().content = Text{std::move(text)};
    return start;
  }
  Result<protocol::TurnStarted> start_turn(protocol::TurnStart start) {
    return daemon->loop.run(daemon->sessions->start_turn(std::move(start)));
  }
  void run_until_idle(const std::string& id) {
    auto watched = session(id);
    daemon->loop.run_until([&] { return watched->view().info.state == protocol::Activity::idle; });
  }
  void run_until_waiting(int n = 1) {
    daemon->loop.run_until([&] { return daemon->completer.n_waiting() >= n; });
  }
  void run_turn(const std::string& id, const std::string& key, std::string text = "hello") {
    auto started = start_turn(turn(id, key, std::move(text)));
    ASSERT_TRUE(started) << started.error().message;
    run_until_idle(id);
  }
  Result<protocol::SessionSubscribed> subscribe(WatchingClient& client, const std::string& id,
                                                std::optional<uint64_t> since,
                                                std::optional<uint64_t> epoch = {}) {
    protocol::SessionSubscribe request{id, since, {}};
    if (epoch) request.epoch.text = std::to_string(*epoch);
    return daemon->loop.run(daemon->sessions->subscribe(client, std::move(request)));
  }
  void expect_same_state(const WatchingClient& client, const std::string& id) {
    EXPECT_EQ(folded(client.view()), folded(session(id)->view()));
    EXPECT_EQ(client.n_doubled(), 0u);
    EXPECT_EQ(client.n_malformed(), 0u);
  }

  TemporaryFolder folder;
  uint64_t quota_bytes = uint64_t{2} << 30;
  std::optional<Daemon> daemon;
};

}  // namespace hearth::test
