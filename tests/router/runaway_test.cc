// A loop of tool calls is seen in the conversation itself, and stopped.
#include "money/runaway.h"

#include <gtest/gtest.h>

namespace hearth::router {
namespace {

class RunawayTest : public ::testing::Test {
 protected:
  RunawayTest() { say("fix it"); }
  void say(const char* text) { body.messages.push_back(text_message(Role::user, text)); }
  void round(const std::string& arguments, const std::string& result, Role role = Role::tool) {
    Message call;
    call.role = Role::assistant;
    call.blocks.emplace_back().content = ToolCall{"c", "run", arguments};
    Message answer;
    answer.role = role;
    answer.blocks.emplace_back().content = ToolResult{"c", result, false};
    body.messages.push_back(std::move(call));
    body.messages.push_back(std::move(answer));
  }
  CompletionRequest body;
};

TEST_F(RunawayTest, RoundsAreCountedSinceTheUserSpoke) {
  for (int i = 0; i < 5; ++i) round(std::to_string(i), "ok");
  EXPECT_EQ(rounds_of(body).n_rounds, 5u);
  EXPECT_EQ(rounds_of(body).n_repeats, 1u);
  say("go on");
  EXPECT_EQ(rounds_of(body).n_rounds, 0u);
  round("x", "ok", Role::user);  // as Anthropic's wire has results
  EXPECT_EQ(rounds_of(body).n_rounds, 1u);
}

TEST_F(RunawayTest, SeveralCallsInOneMessageAreOneRound) {
  Message calls;
  calls.role = Role::assistant;
  for (const char* name : {"a", "b"})
    calls.blocks.emplace_back().content = ToolCall{name, name, "{}"};
  body.messages.push_back(calls);
  EXPECT_EQ(rounds_of(body).n_rounds, 1u);
}

TEST_F(RunawayTest, TheSameCallWithTheSameResultRepeats) {
  round("other", "ok");
  for (int i = 0; i < 7; ++i) round("ls", "a.txt");
  EXPECT_EQ(rounds_of(body).n_repeats, 7u);
}

TEST_F(RunawayTest, AnotherResultIsProgress) {
  for (int i = 0; i < 7; ++i) round("status", std::to_string(i) + " %");
  EXPECT_EQ(rounds_of(body).n_repeats, 1u);
}

TEST_F(RunawayTest, TurnsOfTwoAndThreeAreLoopsToo) {
  for (int i = 0; i < 6; ++i) {
    round("ls", "a");
    round("cat a", "x");
  }
  EXPECT_EQ(rounds_of(body).n_repeats, 6u);
  say("again");
  for (int i = 0; i < 4; ++i)
    for (const char* what : {"ls", "cat", "make"}) round(what, "same");
  EXPECT_EQ(rounds_of(body).n_repeats, 4u);
}

TEST_F(RunawayTest, LimitsSayWhenItEnds) {
  Rounds rounds;
  rounds.n_rounds = 30;
  rounds.n_repeats = 8;
  rounds.n_tokens = 1000;
  rounds.ms = 120'000;
  EXPECT_FALSE(runaway(rounds, {9, 31, 1001, 3}));
  EXPECT_TRUE(runaway(rounds, {8, 0, 0, 0}));
  EXPECT_TRUE(runaway(rounds, {0, 30, 0, 0}));
  EXPECT_TRUE(runaway(rounds, {0, 0, 1000, 0}));
  EXPECT_TRUE(runaway(rounds, {0, 0, 0, 2}));
  EXPECT_FALSE(runaway(rounds, {0, 0, 0, 0}));
}

}  // namespace
}  // namespace hearth::router
