// What a turn does to its session: events, durability, ends.
#include "session_fixture.h"

namespace hearth::test {
namespace {

using protocol::Activity;
using protocol::EndReason;

class Turns : public SessionTest {};

std::string last_text(const session::Session& session) {
  return text_of(session.view().messages.back().message);
}

Task<bool> note_turn(Task<Result<protocol::TurnStarted>> start, std::vector<std::string>& turns) {
  auto started = co_await std::move(start);
  EXPECT_TRUE(started);
  if (started) turns.push_back(started->turn);
  co_return bool(started);
}

TEST_F(Turns, TellTheirStoryInOrder) {
  std::string id = create();
  WatchingClient client(1);
  ASSERT_TRUE(subscribe(client, id, 0));
  daemon->completer.plan({progress(3, 7), think("hm"), say("Hel"), say("lo")});
  run_turn(id, "k1");
  std::vector<std::string> expected{"session.created", "sync.live",     "message.upsert",
                                    "session.state",   "route",         "turn.progress",
                                    "thought.delta",   "message.delta", "message.delta",
                                    "message.upsert",  "usage",         "session.state"};
  EXPECT_EQ(client.kinds(), expected);
  expect_same_state(client, id);
}

TEST_F(Turns, KeepTokensAndModelOfTheAnswer) {
  std::string id = create();
  daemon->completer.plan({say("Hi", {5, 6}), say("!", {7})});
  run_turn(id, "k1");
  const Message& answer = session(id)->view().messages.back().message;
  EXPECT_EQ(answer.role, Role::assistant);
  EXPECT_EQ(answer.model, "scripted-model");
  EXPECT_EQ(answer.blocks.at(0).tokens, (std::vector<Token>{5, 6, 7}));
  EXPECT_EQ(session(id)->view().messages.back().finish, "stop");
}

TEST_F(Turns, LeaveOutEarlierOnesThatNoTargetWouldTake) {
  std::string id = create();
  run_turn(id, "k1", "first");
  daemon->completer.plan({fail(Errc::context_exceeded, "too long")});
  run_turn(id, "k2", "much too long");
  daemon->completer.plan({fail(Errc::not_found, "no such model")});
  run_turn(id, "k3", "to a model that is gone");
  daemon->completer.plan({fail(Errc::upstream, "the line was cut")});
  run_turn(id, "k4", "third");
  EXPECT_EQ(session(id)->view().messages.size(), 5u);
  restart();
  run_turn(id, "k5", "fourth");
  std::vector<std::string> sent;
  for (const Message& message : daemon->completer.requests().back().body.messages)
    sent.push_back(text_of(message));
  EXPECT_EQ(sent, (std::vector<std::string>{"first", "ok", "third", "fourth"}));
}

TEST_F(Turns, SendTheWholeConversationAndTheOptions) {
  std::string id = create();
  daemon->completer.plan({say("first answer")});
  run_turn(id, "k1", "first question");
  auto start = turn(id, "k2", "second question");
  start.model = "tiny";
  start.max_tokens = 9;
  start.sampling.seed = 42;
  start.stop = {"END"};
  start.template_variables.text = R"({"enable_thinking":false})";
  ASSERT_TRUE(start_turn(std::move(start)));
  run_until_idle(id);
  const router::RouteRequest& request = daemon->completer.requests().back();
  ASSERT_EQ(request.body.messages.size(), 3u);
  EXPECT_EQ(text_of(request.body.messages[1]), "first answer");
  EXPECT_EQ(text_of(request.body.messages[2]), "second question");
  EXPECT_EQ(request.facts.model, "tiny");
  EXPECT_EQ(request.facts.session, id);
  EXPECT_EQ(request.body.max_tokens, 9u);
  EXPECT_EQ(request.body.sampling.seed, 42u);
  EXPECT_EQ(request.body.stop, std::vector<std::string>{"END"});
  EXPECT_EQ(request.body.template_variables.text, R"({"enable_thinking":false})");
}

TEST_F(Turns, WhatNoModelCouldCarryOutIsRefusedBeforeAnythingIsLogged) {
  std::string id = create();
  const uint64_t seq = session(id)->view().info.seq;
  auto refused = [&](std::string_view expected, auto change) {
    protocol::TurnStart start = turn(id, "k");
    change(start);
    auto started = start_turn(std::move(start));
    ASSERT_FALSE(started) << expected;
    EXPECT_EQ(started.error().code, Errc::invalid);
    EXPECT_EQ(started.error().message.rfind(expected, 0), 0u) << started.error().message;
  };
  refused("params.idempotencyKey: ", [](auto& start) { start.idempotency_key.clear(); });
  refused("params.input: ", [](auto& start) { start.input.clear(); });
  refused("params.temperature: expected a number from 0 to 1000000000, got -3",
          [](auto& start) { start.sampling.temperature = -3.f; });
  refused("params.topP: expected a number from 0 to 1, got 1.5",
          [](auto& start) { start.sampling.top_p = 1.5f; });
  refused("params.minP: ", [](auto& start) { start.sampling.min_p = -1.f; });
  refused("params.repeatPenalty: ", [](auto& start) { start.sampling.repeat_penalty = 0.f; });
  refused("params.presencePenalty: ", [](auto& start) { start.sampling.presence_penalty = 2e9f; });
  refused("params.frequencyPenalty: ",
          [](auto& start) { start.sampling.frequency_penalty = -2e9f; });
  refused("params.logitBias[1]: ",
          [](auto& start) { start.sampling.logit_bias = {{5, 1.f}, {-5, 1.f}}; });
  refused("params.templateVariables: expected an object",
          [](auto& start) { start.template_variables.text = "[1]"; });
  EXPECT_EQ(session(id)->view().info.seq, seq);
  EXPECT_TRUE(daemon->completer.requests().empty());
}

TEST_F(Turns, AModelIsWhatItsNameMeansAndAnUnknownOneIsLoggedNowhere) {
  auto find = [](const std::string& name) -> Result<std::string> {
    if (name == "old-name") return std::string("tiny");
    return Error{Errc::not_found, "model \"" + name + "\" is not known here"};
  };
  session::Sessions sessions(daemon->loop.executor(), *daemon->store, daemon->completer, find);
  auto created = daemon->loop.run(sessions.create({}));
  ASSERT_TRUE(created);
  const uint64_t seq = (*created)->view().info.seq;
  auto start = [&](const std::string& model) {
    protocol::TurnStart request = turn((*created)->id(), "k");
    request.model = model;
    return daemon->loop.run(sessions.start_turn(std::move(request)));
  };
  auto unknown = start("nope");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::invalid);
  EXPECT_EQ(unknown.error().message, "params.model: model \"nope\" is not known here");
  EXPECT_EQ((*created)->view().info.seq, seq);
  auto known = start("old-name");
  ASSERT_TRUE(known) << known.error().message;
  EXPECT_EQ(start("gone by now")->turn, known->turn) << "sent again, it is not asked for again";
  daemon->loop.run(sessions.join());
  EXPECT_EQ(daemon->completer.requests().back().facts.model, "tiny");
}

TEST_F(Turns, CarryTheLabelsOfAllBlocks) {
  std::string id = create();
  auto start = turn(id, "k1");
  start.input[0].labels = {"secret"};
  ASSERT_TRUE(start_turn(std::move(start)));
  run_until_idle(id);
  run_turn(id, "k2");
  EXPECT_EQ(daemon->completer.requests().back().facts.labels, std::vector<std::string>{"secret"});
}

// The log is where a session's labels live: through its end, a restart, an answer cut off.
TEST_F(Turns, GiveTheRequestsLabelsToTheAnswer) {
  std::string id = create();
  auto start = turn(id, "k1");
  start.input[0].labels = {"secret"};
  daemon->completer.plan({say("it is nine"), fail(Errc::upstream, "gone")});
  ASSERT_TRUE(start_turn(std::move(start)));
  run_until_idle(id);
  restart();
  EXPECT_EQ(session(id)->view().messages.back().message.blocks.at(0).labels,
            std::vector<std::string>{"secret"});
}

TEST_F(Turns, AnswerAResentStartWithTheFirstResult) {
  std::string id = create();
  auto first = start_turn(turn(id, "k1"));
  run_until_idle(id);
  auto again = start_turn(turn(id, "k1"));
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->turn, again->turn);
  EXPECT_EQ(first->message, again->message);
  EXPECT_EQ(first->seq, again->seq);
  EXPECT_EQ(daemon->completer.requests().size(), 1u);
}

TEST_F(Turns, AnswerAResentStartAfterARestart) {
  std::string id = create();
  auto first = start_turn(turn(id, "k1"));
  run_until_idle(id);
  restart();
  auto again = start_turn(turn(id, "k1"));
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->turn, again->turn);
  EXPECT_TRUE(daemon->completer.requests().empty());
}

TEST_F(Turns, RunOnceWhenTheSameStartArrivesTwiceAtOnce) {
  std::string id = create();
  session(id);
  std::vector<std::string> turns;
  for (int i = 0; i < 2; ++i)
    daemon->loop.start(note_turn(daemon->sessions->start_turn(turn(id, "same")), turns));
  daemon->loop.run_until([&] { return turns.size() == 2; });
  EXPECT_EQ(turns[0], turns[1]);
  run_until_idle(id);
  EXPECT_EQ(daemon->completer.requests().size(), 1u);
}

TEST_F(Turns, RefuseASecondOneWhileOneRuns) {
  std::string id = create();
  daemon->completer.plan({say("a"), wait(), say("b")});
  auto first = start_turn(turn(id, "k1"));
  ASSERT_TRUE(first);
  auto second = start_turn(turn(id, "k2"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::busy);
  EXPECT_NE(second.error().message.find(first->turn), std::string::npos);
  run_until_waiting();
  daemon->completer.release();
  run_until_idle(id);
  EXPECT_EQ(last_text(*session(id)), "ab");
}

TEST_F(Turns, KeepThePartialMessageWhenInterrupted) {
  std::string id = create();
  WatchingClient client(1);
  ASSERT_TRUE(subscribe(client, id, 0));
  daemon->completer.plan({say("half an ans", {1, 2}), wait(), say("wer")});
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  run_until_waiting();
  protocol::TurnInterrupt request{id, {}};
  auto interrupted = daemon->loop.run(daemon->sessions->interrupt_turn(request));
  ASSERT_TRUE(interrupted);
  EXPECT_TRUE(interrupted->was_running);
  run_until_idle(id);
  EXPECT_EQ(session(id)->view().reason, EndReason::interrupted);
  EXPECT_EQ(last_text(*session(id)), "half an ans");
  EXPECT_EQ(session(id)->view().messages.back().finish, "interrupted");
  EXPECT_EQ(session(id)->view().messages.back().message.blocks[0].tokens.size(), 2u);
  expect_same_state(client, id);
}

TEST_F(Turns, IgnoreAnInterruptMeantForAnEarlierOne) {
  std::string id = create();
  daemon->completer.plan({wait(), say("done")});
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  run_until_waiting();
  protocol::TurnInterrupt request{id, "t999"};
  auto interrupted = daemon->loop.run(daemon->sessions->interrupt_turn(request));
  ASSERT_TRUE(interrupted);
  EXPECT_FALSE(interrupted->was_running);
  daemon->completer.release();
  run_until_idle(id);
  EXPECT_EQ(session(id)->view().reason, EndReason::done);
}

TEST_F(Turns, EndWithTheErrorOfTheProviderAndKeepWhatCame) {
  std::string id = create();
  daemon->completer.plan({say("some"), fail(Errc::upstream, "the engine died")});
  run_turn(id, "k1");
  const auto& view = session(id)->view();
  EXPECT_EQ(view.reason, EndReason::error);
  ASSERT_TRUE(view.error);
  EXPECT_EQ(view.error->message, "the engine died");
  EXPECT_EQ(view.messages.back().finish, "error");
  EXPECT_EQ(last_text(*session(id)), "some");
}

TEST_F(Turns, EndWhenTheProviderThrows) {
  std::string id = create();
  daemon->completer.plan({say("x"), Throw{"bad day"}});
  run_turn(id, "k1");
  EXPECT_EQ(session(id)->view().reason, EndReason::error);
  EXPECT_NE(session(id)->view().error->message.find("bad day"), std::string::npos);
  run_turn(id, "k2");
  EXPECT_EQ(session(id)->view().reason, EndReason::done);
}

TEST_F(Turns, ProposeTheToolsThatTheModelCalls) {
  std::string id = create();
  WatchingClient client(1);
  ASSERT_TRUE(subscribe(client, id, 0));
  daemon->completer.plan(
      {say("Let me look."), call_tool("c1", "read", "{\"path\":"), call_tool("", "", "\"a\"}")});
  run_turn(id, "k1");
  const auto& tools = session(id)->view().tools;
  ASSERT_EQ(tools.size(), 1u);
  EXPECT_EQ(tools[0].id, "c1");
  EXPECT_EQ(tools[0].name, "read");
  EXPECT_EQ(tools[0].arguments, "{\"path\":\"a\"}");
  EXPECT_EQ(tools[0].status, protocol::ToolStatus::proposed);
  EXPECT_EQ(client.count("tool.upsert"), 2u);
  expect_same_state(client, id);
}

TEST_F(Turns, SumUpUsageOverTheSession) {
  std::string id = create();
  run_turn(id, "k1");
  run_turn(id, "k2");
  EXPECT_EQ(session(id)->view().usage.n_prompt, 14u);
  EXPECT_EQ(session(id)->view().usage.n_completion, 2u);
}

TEST_F(Turns, NeedAKeyAndInput) {
  std::string id = create();
  auto no_key = start_turn(turn(id, ""));
  ASSERT_FALSE(no_key);
  EXPECT_EQ(no_key.error().code, Errc::invalid);
  auto empty = turn(id, "k");
  empty.input.clear();
  auto no_input = start_turn(std::move(empty));
  ASSERT_FALSE(no_input);
  EXPECT_EQ(no_input.error().code, Errc::invalid);
  auto unknown = start_turn(turn("ses_none", "k"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::not_found);
}

TEST_F(Turns, EndAsInterruptedWhenTheDaemonStops) {
  std::string id = create();
  daemon->completer.plan({say("not yet "), wait(), say("finished")});
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  run_until_waiting();
  restart();
  EXPECT_EQ(session(id)->view().info.state, Activity::idle);
  EXPECT_EQ(session(id)->view().reason, EndReason::interrupted);
  EXPECT_EQ(last_text(*session(id)), "not yet ");
}

TEST_F(Turns, KeepThePartialMessageThroughACrash) {
  std::string id = create();
  WatchingClient client(1);
  ASSERT_TRUE(subscribe(client, id, 0));
  daemon->completer.plan({say("not yet "), say("fin"), wait(), say("ished")});
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  run_until_waiting();
  // The merged deltas are on disk once the log has been asked to write them and did.
  daemon->loop.run_until([&] {
    session::EventRange all{id};
    EXPECT_TRUE(daemon->loop.run(daemon->store->flush()));
    auto events = daemon->loop.run(daemon->store->events(all));
    return events && events->back().first != 0;
  });
  uint64_t before = client.cursor();
  crash();
  EXPECT_EQ(session(id)->view().info.state, Activity::idle);
  EXPECT_EQ(session(id)->view().reason, EndReason::interrupted);
  EXPECT_EQ(last_text(*session(id)), "not yet fin");
  EXPECT_GT(session(id)->view().info.seq, before);
  client.disconnect();
  ASSERT_TRUE(subscribe(client, id, client.cursor(), client.epoch()));
  expect_same_state(client, id);
  EXPECT_EQ(client.count("sync.gap"), 0u);
}

TEST_F(Turns, GiveASnapshotToWhoSawMoreThanACrashLeft) {
  std::string id = create();
  WatchingClient client(1);
  ASSERT_TRUE(subscribe(client, id, 0));
  daemon->completer.plan({say("seen but never logged"), wait()});
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  run_until_waiting();
  crash();  // before the 50 ms after which deltas are logged
  bool was_logged = session(id)->view().messages.size() == 2;
  client.disconnect();
  ASSERT_TRUE(subscribe(client, id, client.cursor(), client.epoch()));
  if (!was_logged) {
    EXPECT_EQ(client.count("sync.gap"), 1u);
  }
  expect_same_state(client, id);
  run_turn(id, "k2");
  expect_same_state(client, id);
}

TEST_F(Turns, LeaveNoDeltaInTheLogOnceTheMessageIsWhole) {
  std::string id = create();
  daemon->completer.plan({say(std::string(5000, 'x')), say("y"), wait(), say("z")});
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  run_until_waiting();
  ASSERT_TRUE(daemon->loop.run(daemon->store->flush()));
  session::EventRange all{id};
  auto during = daemon->loop.run(daemon->store->events(all));
  ASSERT_TRUE(during);
  EXPECT_EQ(during->back().kind, "message.delta");
  daemon->completer.release();
  run_until_idle(id);
  ASSERT_TRUE(daemon->loop.run(daemon->store->flush()));
  auto after = daemon->loop.run(daemon->store->events(all));
  ASSERT_TRUE(after);
  for (const session::LoggedEvent& event : *after) EXPECT_EQ(event.first, 0u) << event.kind;
}

}  // namespace
}  // namespace hearth::test
