// Replay, live, snapshots, slow clients, several clients.
#include "session_fixture.h"

namespace hearth::test {
namespace {

class Subscriptions : public SessionTest {};

TEST_F(Subscriptions, ReplayFromACursorThenGoLive) {
  std::string id = create("t");
  run_turn(id, "k1");
  WatchingClient client(1);
  ASSERT_TRUE(subscribe(client, id, 0));
  EXPECT_EQ(client.kinds().back(), "sync.live");
  expect_same_state(client, id);
  run_turn(id, "k2");
  expect_same_state(client, id);
  EXPECT_EQ(client.count("sync.gap"), 0u);
}

TEST_F(Subscriptions, ResumeAtEverySeqToTheSameState) {
  std::string id = create("t");
  daemon->completer.plan({think("a"), say("b"), call_tool("c", "n", "{}"), say("d"), say("e")});
  run_turn(id, "k1");
  daemon->completer.plan({say("half"), think("w"), say("x"), wait()});
  ASSERT_TRUE(start_turn(turn(id, "k2")));
  run_until_waiting();
  WatchingClient first(1);
  ASSERT_TRUE(subscribe(first, id, 0));
  // A client that has seen exactly the events up to `cut`, then resumes.
  for (uint64_t cut = 0; cut <= session(id)->view().info.seq; ++cut) {
    WatchingClient client(100 + cut);
    protocol::SessionSubscribe request{id, cut, {}};
    ASSERT_TRUE(daemon->loop.run(daemon->sessions->subscribe(client, request)));
    EXPECT_EQ(client.count("sync.gap"), 0u);
    EXPECT_EQ(client.cursor() == 0 ? cut : client.cursor(), session(id)->view().info.seq);
    daemon->sessions->forget_client(client.client_id());
  }
  expect_same_state(first, id);
}

TEST_F(Subscriptions, SplitMergedDeltasAtTheCursor) {
  std::string id = create();
  WatchingClient client(1);
  ASSERT_TRUE(subscribe(client, id, 0));
  daemon->completer.plan({say("one "), wait(), say("two "), say("three "), wait(), say("four")});
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  run_until_waiting();
  client.disconnect();
  daemon->sessions->forget_client(1);
  daemon->completer.release();
  daemon->loop.run_until(
      [&] { return text_of(session(id)->view().messages.back().message) == "one two three "; });
  ASSERT_TRUE(subscribe(client, id, client.cursor(), client.epoch()));
  EXPECT_EQ(client.count("sync.gap"), 0u);
  expect_same_state(client, id);
  run_until_waiting();
  daemon->completer.release();
  run_until_idle(id);
  expect_same_state(client, id);
}

// initialize and daemon.json tell the epoch as a string, events as a number.
TEST_F(Subscriptions, AnEpochMayBeSaidAsEitherOfItsForms) {
  const std::string id = create();
  run_turn(id, "k1");
  const std::string number = std::to_string(session(id)->view().epoch);
  struct Case {
    std::string said;
    bool is_known;
  };
  for (const Case& c : {Case{number, true},
                        {'"' + number + '"', true},
                        {"null", true},
                        {"\"e1\"", false},
                        {"{}", false}}) {
    auto request = json::decode<protocol::SessionSubscribe>(
        R"({"session":")" + id + R"(","since":1,"epoch":)" + c.said + "}");
    ASSERT_TRUE(request) << request.error().message;
    WatchingClient client(1);
    ASSERT_TRUE(daemon->loop.run(daemon->sessions->subscribe(client, std::move(*request))));
    EXPECT_EQ(client.kinds().front() == "sync.gap", !c.is_known) << c.said;
  }
}

TEST_F(Subscriptions, SendASnapshotWhenTheCursorIsUseless) {
  std::string id = create();
  run_turn(id, "k1");
  struct Case {
    std::optional<uint64_t> since;
    std::optional<uint64_t> epoch;
    std::string reason;
  };
  for (const Case& c :
       {Case{std::nullopt, std::nullopt, "no cursor"},
        Case{uint64_t{1} << 60, std::nullopt, "beyond the last event"}, Case{1, 12345, "epoch"}}) {
    WatchingClient client(1);
    ASSERT_TRUE(subscribe(client, id, c.since, c.epoch));
    EXPECT_EQ(client.kinds(), (std::vector<std::string>{"sync.gap", "sync.live"}));
    EXPECT_NE(client.seen()[0].data.find(c.reason), std::string::npos) << client.seen()[0].data;
    expect_same_state(client, id);
  }
}

TEST_F(Subscriptions, SendASnapshotWhenTooMuchWasMissed) {
  std::string id = create();
  for (int i = 0; i < 3; ++i) run_turn(id, "k" + std::to_string(i), std::string(1 << 20, 'x'));
  WatchingClient client(1);
  ASSERT_TRUE(subscribe(client, id, 0));
  EXPECT_EQ(client.kinds(), (std::vector<std::string>{"sync.gap", "sync.live"}));
  expect_same_state(client, id);
}

TEST_F(Subscriptions, HoldLiveEventsUntilTheReplayIsSent) {
  std::string id = create();
  run_turn(id, "k1");
  WatchingClient client(1);
  protocol::SessionSubscribe request{id, 0, {}};
  daemon->completer.plan({say("a"), say("b")});
  daemon->loop.start(daemon->sessions->subscribe(client, request));
  ASSERT_TRUE(start_turn(turn(id, "k2")));
  run_until_idle(id);
  daemon->loop.run_until([&] { return client.count("sync.live") == 1; });
  daemon->loop.poll();
  expect_same_state(client, id);
}

TEST_F(Subscriptions, ServeSeveralClientsTheSameOrder) {
  std::string id = create();
  WatchingClient a(1), b(2);
  ASSERT_TRUE(subscribe(a, id, 0));
  ASSERT_TRUE(subscribe(b, id, 0));
  run_turn(id, "k1");
  EXPECT_EQ(a.kinds(), b.kinds());
  expect_same_state(a, id);
  expect_same_state(b, id);
}

TEST_F(Subscriptions, LeaveOutWhatTheClientDoesNotWant) {
  std::string id = create();
  WatchingClient client(1);
  client.unwanted = "message.delta";
  ASSERT_TRUE(subscribe(client, id, 0));
  run_turn(id, "k1");
  EXPECT_EQ(client.count("message.delta"), 0u);
  expect_same_state(client, id);

  WatchingClient late(2);  // what it missed comes without them, too
  late.unwanted = "message.upsert";
  ASSERT_TRUE(subscribe(late, id, 0));
  EXPECT_EQ(late.count("message.upsert"), 0u);
  EXPECT_GT(late.seen().size(), 1u);
}

TEST_F(Subscriptions, EndWithUnsubscribe) {
  std::string id = create();
  WatchingClient client(1);
  ASSERT_TRUE(subscribe(client, id, 0));
  session(id)->unsubscribe(1);
  client.forget_seen();
  run_turn(id, "k1");
  EXPECT_TRUE(client.kinds().empty());
}

TEST_F(Subscriptions, ReplaceTheClientsEarlierOne) {
  std::string id = create();
  WatchingClient client(1);
  ASSERT_TRUE(subscribe(client, id, 0));
  ASSERT_TRUE(subscribe(client, id, client.cursor()));
  run_turn(id, "k1");
  expect_same_state(client, id);
}

TEST_F(Subscriptions, MergeDeltasForAClientThatLagsAndKeepTheRange) {
  std::string id = create();
  WatchingClient client(1);
  ASSERT_TRUE(subscribe(client, id, 0));
  client.is_slow = true;
  std::vector<Step> script{say(std::string(600 << 10, 'x'))};
  for (int i = 0; i < 100; ++i) script.push_back(say("piece "));
  script.push_back(wait());
  daemon->completer.plan(script);
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  run_until_waiting();
  client.drain();
  client.drain();
  EXPECT_EQ(client.count("message.delta"), 2u);
  EXPECT_EQ(client.count("sync.gap"), 0u);
  expect_same_state(client, id);
  client.is_slow = false;
  daemon->completer.release();
  run_until_idle(id);
  expect_same_state(client, id);
}

TEST_F(Subscriptions, GiveTheStateOnEachDrainToAClientThatFellBehind) {
  std::string id = create();
  WatchingClient slow(1), quick(2);
  ASSERT_TRUE(subscribe(slow, id, 0));
  ASSERT_TRUE(subscribe(quick, id, 0));
  slow.is_slow = true;
  std::vector<Step> script;
  for (int i = 0; i < 30; ++i) {
    script.push_back(think(std::string(50 << 10, 't')));
    script.push_back(say(std::string(50 << 10, 'x')));
  }
  script.push_back(wait());
  script.push_back(say("end"));
  daemon->completer.plan(script);
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  run_until_waiting();
  EXPECT_LT(slow.queued_bytes(), size_t{2} << 20);
  expect_same_state(quick, id);
  slow.drain();
  slow.drain();
  EXPECT_EQ(slow.count("sync.gap"), 1u);
  expect_same_state(slow, id);
  daemon->completer.release();
  run_until_idle(id);
  slow.drain();
  slow.drain();
  expect_same_state(slow, id);
}

TEST_F(Subscriptions, DoNotTakeALongReplayForASlowClient) {
  std::string id = create();
  for (int i = 0; i < 15; ++i) run_turn(id, "k" + std::to_string(i), std::string(100 << 10, 'x'));
  WatchingClient client(1);
  client.is_slow = true;
  ASSERT_TRUE(subscribe(client, id, 0));
  EXPECT_GT(client.queued_bytes(), session::Subscription::kSnapshotAboveBytes);
  run_turn(id, "next");
  client.drain();
  EXPECT_EQ(client.count("sync.gap"), 0u);
  expect_same_state(client, id);
}

TEST_F(Subscriptions, OfAClientThatIsGoneAreForgotten) {
  std::string id = create();
  {
    WatchingClient client(1);
    ASSERT_TRUE(subscribe(client, id, 0));
    daemon->sessions->forget_client(1);
  }
  EXPECT_FALSE(session(id)->is_watched());
  run_turn(id, "k1");
}

}  // namespace
}  // namespace hearth::test
