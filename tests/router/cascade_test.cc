#include "cascade.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <map>

namespace hearth::router {
namespace {

Completion answer(std::string text) {
  Completion completion;
  completion.message.role = Role::assistant;
  completion.message.blocks.emplace_back().content = Text{std::move(text)};
  return completion;
}

Policy policy() {
  Policy policy;
  for (const char* name : {"cheap", "middle", "dear"}) {
    Target target;
    target.name = target.model = name;
    policy.targets.push_back(std::move(target));
  }
  TaskRule& rule = policy.tasks[TaskClass::edit];
  rule.cascade = {"cheap", "middle", "dear"};
  rule.verify = {"parse"};
  rule.max_escalations = 2;
  return policy;
}

std::vector<std::string> steps(const Policy& policy, std::vector<TargetState> states,
                               std::string model = "auto") {
  RequestFacts facts;
  facts.task = TaskClass::edit;
  facts.model = std::move(model);
  return cascade_of(policy, facts, decide(facts, policy, states));
}

using Names = std::vector<std::string>;

TEST(Cascade, HasTheClassesTargetsThatPassInTheirOrder) {
  std::vector<TargetState> states(3);
  EXPECT_EQ(steps(policy(), states), (Names{"cheap", "middle", "dear"}));
  states[1].down = "it is";
  EXPECT_EQ(steps(policy(), states), (Names{"cheap", "dear"}));
  states[0].down = "it is too";
  EXPECT_EQ(steps(policy(), states), Names{});
}

TEST(Cascade, AStepMayBeAnEffortOfATarget) {
  Policy rules = policy();
  rules.targets[0].efforts = {{Effort::low, {}, {}}, {Effort::high, {}, {}}};
  rules.tasks[TaskClass::edit].cascade = {"cheap@low", "cheap@max", "cheap@high", "dear"};
  std::vector<TargetState> states(3);
  EXPECT_EQ(steps(rules, states), (Names{"cheap@low", "cheap@high", "dear"}));
  states[0].efforts.resize(1);
  states[0].efforts[0].effort = Effort::low;
  states[0].efforts[0].down = "it is";
  EXPECT_EQ(steps(rules, states), (Names{"cheap@high", "dear"}));
}

TEST(Cascade, NobodyIsAskedTwiceAtOneEffort) {
  Policy rules = policy();
  rules.value.success_usd = 1;
  rules.targets[0].efforts = {{Effort::low, 0.4, 300}, {Effort::high, 0.9, 300}};
  rules.tasks[TaskClass::edit].cascade = {"cheap@low", "cheap", "cheap@high", "dear"};
  const std::vector<TargetState> states(3);
  EXPECT_EQ(steps(rules, states), (Names{"cheap@low", "cheap", "dear"}));
  rules.targets[0].efforts[1].quality = 0.1;
  EXPECT_EQ(steps(rules, states), (Names{"cheap@low", "cheap@high", "dear"}));
}

TEST(Cascade, IsBoundedAndIsNotForWhoIsNamedNorWithoutAVerifier) {
  const std::vector<TargetState> states(3);
  Policy rules = policy();
  rules.tasks[TaskClass::edit].max_escalations = 1;
  EXPECT_EQ(steps(rules, states), (Names{"cheap", "middle"}));
  EXPECT_EQ(steps(rules, states, "dear"), Names{});
  rules.tasks[TaskClass::edit].verify.clear();
  EXPECT_EQ(steps(rules, states), Names{});
}

TEST(CascadeVerifier, ACommandSaysByItsExitStatus) {
  auto says = [](const std::string& command, std::string text) {
    auto passed = passes({command}, answer(std::move(text)), false);
    return passed && *passed;
  };
  EXPECT_TRUE(says("grep -q fine", "all is fine"));
  EXPECT_FALSE(says("grep -q fine", "nothing is"));
  EXPECT_TRUE(says("true", std::string(1 << 20, 'x')));  // it need not read
  EXPECT_FALSE(says("no-such-command", "x"));
}

TEST(CascadeVerifier, ParseWantsWhatWasDemandedToBeJson) {
  EXPECT_TRUE(*passes({"parse"}, answer("plain words"), false));
  EXPECT_FALSE(*passes({"parse"}, answer("plain words"), true));
  EXPECT_TRUE(*passes({"parse"}, answer("{\"a\": 1}"), true));
  Completion call = answer("");
  ToolCall broken;
  broken.arguments = "{\"path\": ";
  call.message.blocks.emplace_back().content = std::move(broken);
  EXPECT_FALSE(*passes({"parse"}, call, false));
}

// What each target says; who was asked and what was shown.
struct Played {
  Answer answer = Error{Errc::internal, ""};
  Names asked;
  std::string shown;
  std::vector<bool> verdicts;
  std::vector<std::pair<std::string, std::string>> later;  // steps, why they are shown
};

Task<> keep(Task<Answer> task, Answer& into) { into = co_await std::move(task); }

Played play(std::map<std::string, Answer> says, Names steps = {"cheap", "dear"}) {
  Played played;
  net::io_context loop(1);
  CascadePlan plan;
  plan.steps = std::move(steps);
  plan.verify = {"grep -q right"};
  plan.sink = [&](const StreamDelta& delta) { played.shown += delta.text; };
  plan.on_later_step = [&](const std::string& target, std::string why) {
    EXPECT_EQ(played.shown, "") << "it is said before";
    played.later.emplace_back(target, std::move(why));
  };
  plan.on_verdict = [&](const std::string&, bool passed) { played.verdicts.push_back(passed); };
  RunStep run = [&](CascadeStep step) -> Task<Answer> {
    played.asked.push_back(step.target);
    Answer answer = says.at(step.target);
    StreamDelta delta;
    delta.text = answer ? std::get<Text>(answer->message.blocks[0].content).text : "";
    step.sink(delta);
    co_return answer;
  };
  Task<Answer> cascade = run_cascade(std::move(plan), std::move(run));
  net::co_spawn(loop, keep(std::move(cascade), played.answer), net::detached);
  loop.run();
  return played;
}

TEST(Cascade, WhatPassesIsShownAndNobodyElseIsAsked) {
  const Played played = play({{"cheap", answer("right")}, {"dear", answer("right too")}});
  EXPECT_EQ(played.asked, Names{"cheap"});
  EXPECT_EQ(played.shown, "right");
  EXPECT_EQ(played.verdicts, std::vector<bool>{true});
}

TEST(Cascade, NothingIsShownOfWhatDoesNotPass) {
  const Played played = play({{"cheap", answer("wrong")}, {"dear", answer("best there is")}});
  EXPECT_EQ(played.asked, (Names{"cheap", "dear"}));
  EXPECT_EQ(played.shown, "best there is");
  ASSERT_TRUE(played.answer);
}

TEST(Cascade, AFailureEscalatesToo) {
  const Played played = play({{"cheap", Error{Errc::upstream, "down"}}, {"dear", answer("x")}});
  EXPECT_EQ(played.asked, (Names{"cheap", "dear"}));
  EXPECT_TRUE(played.answer);
}

TEST(Cascade, SaysWhoseAnswerIsShownWhenItIsNotTheFirsts) {
  using Later = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(play({{"cheap", answer("right")}, {"dear", answer("x")}}).later, Later{});
  EXPECT_EQ(play({{"cheap", answer("wrong")}, {"dear", answer("x")}}).later,
            (Later{{"dear", "gave what did not pass"}}));
  EXPECT_EQ(play({{"cheap", Error{Errc::busy, "words"}}, {"dear", answer("x")}}).later,
            (Later{{"dear", "gave no answer (busy)"}}));
  EXPECT_EQ(play({{"cheap", answer("wrong")}, {"middle", answer("right")}, {"dear", answer("x")}},
                 {"cheap", "middle", "dear"})
                .later,
            (Later{{"middle", "gave what did not pass"}}));
}

TEST(Cascade, AWithdrawnRequestEnds) {
  const Played played = play({{"cheap", Error{Errc::cancelled, "gone"}}, {"dear", answer("x")}});
  EXPECT_EQ(played.asked, Names{"cheap"});
}

}  // namespace
}  // namespace hearth::router
