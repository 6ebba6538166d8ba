// What becomes of a request that no target is left for: it is refused, waits, or a person is asked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/session/loop.h"
#include "router/router.h"

namespace hearth::router {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct NoLog : DecisionLog {
  void decided(const DecisionRecord&) override { ++n_decided; }
  void ended(const DecisionRecord&, const Answer&) override {}
  int n_decided = 0;
};

// Down for so many looks.
struct Sleeper : Provider {
  TargetState state(const Target&) const override {
    TargetState now;
    if (n_down_left > 0) now.down = "it sleeps";
    if (n_down_left > 0) --n_down_left;
    return now;
  }
  Task<Answer> complete(const Target&, RouteRequest, DeltaSink, Attempt&) override {
    Completion completion;
    completion.message = text_message(Role::assistant, "good morning");
    co_return completion;
  }
  mutable int n_down_left = 0;
};

class NoTarget : public ::testing::Test {
 protected:
  NoTarget() {
    Target& target = policy.targets.emplace_back();
    target.name = "cloud";
    target.kind = TargetKind::api;
    target.trust = Trust::retained;
    target.price = Price{};
    policy.labels = {{"secret", {"**/.env"}, Trust::local}};
    request.body.messages = {text_message(Role::user, "good night")};
  }
  Answer complete() {
    return loop.run(router.complete(request, [](const StreamDelta&) {}, [](const Decision&) {}));
  }
  void carry_secret() { request.body.messages[0].blocks[0].source = Source{"app/.env", {}, {}}; }

  hearth::test::Loop loop;
  Policy policy;
  RouteRequest request;
  Sleeper sleeper;
  NoLog log;
  Labeller labeller{loop.executor()};
  Router router{{[this](TargetKind) -> Provider& { return sleeper; },
                 [this] { return std::make_shared<const Policy>(policy); }, log, &labeller}};
};

TEST_F(NoTarget, RefusesAtOnceUnlessThePolicySaysOtherwise) {
  sleeper.n_down_left = 1;
  Answer answer = complete();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::busy);
  EXPECT_THAT(answer.error().message, HasSubstr("it sleeps"));
}

TEST_F(NoTarget, WaitsUntilATargetIsBack) {
  policy.on_no_target = OnNoTarget::wait;
  sleeper.n_down_left = 3;
  Answer answer = complete();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(text_of(answer->message), "good morning");
  EXPECT_EQ(log.n_decided, 1) << "a request is decided once";
}

TEST_F(NoTarget, WaitsNoLongerThanTheDeadline) {
  policy.on_no_target = OnNoTarget::wait;
  request.facts.deadline_ms = 1;
  sleeper.n_down_left = 1'000'000;
  Answer answer = complete();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::busy);
}

TEST_F(NoTarget, WaitsForNothingThatTimeDoesNotLift) {
  policy.on_no_target = OnNoTarget::wait;
  carry_secret();
  Answer answer = complete();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::denied);
}

TEST_F(NoTarget, AsksInAFormThatAClientCanShow) {
  policy.on_no_target = OnNoTarget::ask;
  carry_secret();
  Answer answer = complete();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::denied);
  EXPECT_EQ(answer.error().word, "policy_question");
  EXPECT_THAT(answer.error().message,
              HasSubstr("May the text labelled \"secret\" (message 1, path app/.env, digest "));
  EXPECT_THAT(answer.error().message, HasSubstr("go to cloud, whose trust is \"retained\"?"));
  EXPECT_THAT(answer.error().message, HasSubstr("--label secret --why REASON"));
  policy.on_no_target = OnNoTarget::refuse;
  EXPECT_THAT(complete().error().message, Not(HasSubstr("declassify")));
}

}  // namespace
}  // namespace hearth::router
