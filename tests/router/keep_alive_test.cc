// Prompts that are kept in a provider's cache: when, how often, and when not.
#include "keep_alive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "support/simulated_clock.h"

namespace hearth::router {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::SimulatedClock;
using ::testing::SizeIs;

// A read once more costs a tenth of a read anew and a bit.
const Price kPrice{2, 0.2, 10, 2.5};

TEST(Pauses, BeginWithAGuessAndBecomeWhatWasSeen) {
  Pauses pauses;
  EXPECT_DOUBLE_EQ(pauses.chance(1), 0.2);
  EXPECT_DOUBLE_EQ(pauses.chance(2), 0.1);
  EXPECT_DOUBLE_EQ(pauses.chance(Pauses::kMostLives), 0);
  for (int i = 0; i < 1000; ++i) pauses.add(0);
  EXPECT_DOUBLE_EQ(pauses.chance(1), 0.2) << "who went on at once says nothing of longer pauses";
  for (int i = 0; i < 1000; ++i) pauses.add(i % 2 ? 1 : Pauses::kMostLives);
  EXPECT_NEAR(pauses.chance(1), 0.5, 0.01);
  EXPECT_NEAR(pauses.chance(2), 0.0, 0.01);
}

TEST(Pauses, KeepingPaysFromTheChanceOnThatItsPriceSays) {
  const Rates rates = rates_at(kPrice, 100'000, 0);
  EXPECT_FALSE(keeping_pays(0.08, 100'000, rates));
  EXPECT_TRUE(keeping_pays(0.09, 100'000, rates));
  EXPECT_FALSE(keeping_pays(0.09, 100, rates)) << "the token of answer costs more";
  EXPECT_FALSE(keeping_pays(1, 100'000, rates_at(Price{2, 2, 10}, 100'000, 0)));
}

class KeepAliveTest : public ::testing::Test {
 protected:
  KeepAliveTest() {
    Target target;
    target.name = "sonnet";
    target.kind = TargetKind::api;
    target.provider = "anthropic";
    target.model = "claude-sonnet-5";
    target.price = kPrice;
    policy.targets = {target};
    policy.keep_alive = KeepWarm::if_cheaper;
    record.decision.target = "sonnet";
    request.facts.session = "s";
    request.facts.n_prompt_estimate = 50'000;
    request.body.messages = {text_message(Role::user, "Hi")};
    usage.n_prompt = 50'000;
  }
  ~KeepAliveTest() override {
    net::co_spawn(io, keep_alive.join(), [](std::exception_ptr) {});
    clock.run();
  }

  // Answered, then nothing for `pause`.
  void answer(seconds pause) {
    keep_alive.asked(request);
    record.facts = request.facts;
    auto copy = keep_alive.copy_of(policy, record, request);
    if (copy) keep_alive.answered(policy, record, std::move(*copy), usage, io.get_executor());
    net::co_spawn(io, clock.wait_until(clock.now() + pause), [this](std::exception_ptr) {
      keep_alive.asked(request);  // it goes on
    });
    began = clock.now();
    clock.run();
  }
  Task<Answer> send(RouteRequest asked) {
    sent.push_back(std::chrono::duration_cast<seconds>(clock.now() - began).count());
    EXPECT_EQ(asked.body.max_tokens, 1u);
    EXPECT_EQ(asked.body.messages.size(), request.body.messages.size());
    Completion completion;
    completion.usage.n_cached = is_cached ? 50'000 : 0;
    co_return completion;
  }

  net::io_context io{1};
  SimulatedClock clock{io};
  Policy policy;
  DecisionRecord record;
  RouteRequest request;
  Usage usage;
  bool is_cached = true;
  Clock::Time began{};
  std::vector<long> sent;  // seconds after the answer
  KeepAlive keep_alive{clock, [this](const DecisionRecord& kept, RouteRequest asked) {
                         asked_at = kept.decision.effort;
                         return send(std::move(asked));
                       }};
  std::optional<Effort> asked_at;
};

TEST_F(KeepAliveTest, AsksBeforeTheCacheDiesUntilItPaysNoMore) {
  answer(seconds(10'000));
  EXPECT_THAT(sent, ElementsAre(280, 560)) << "the third chance is one in twenty";
}

TEST_F(KeepAliveTest, ThePolicyKnowsALifeBetterThanTheProvidersRow) {
  policy.targets[0].provider = "openai";
  policy.targets[0].cache_life_s = 60;
  answer(seconds(10'000));
  EXPECT_THAT(sent, ElementsAre(45, 90)) << "a quarter of a short life before its end";
}

TEST_F(KeepAliveTest, StopsWhenTheConversationGoesOn) {
  answer(seconds(100));
  EXPECT_THAT(sent, IsEmpty());
  answer(seconds(300));
  EXPECT_THAT(sent, ElementsAre(280));
}

TEST_F(KeepAliveTest, StopsWhenTheCacheIsGoneAllTheSame) {
  is_cached = false;
  answer(seconds(10'000));
  EXPECT_THAT(sent, ElementsAre(280));
}

TEST_F(KeepAliveTest, WhoNeverGoesOnAfterAPauseIsNotKept) {
  for (int i = 0; i < 20; ++i) answer(seconds(10'000));
  sent.clear();
  answer(seconds(10'000));
  EXPECT_THAT(sent, IsEmpty());
}

TEST_F(KeepAliveTest, AnAnswerWithoutThoughtsIsKeptAndOneWithThemIsNot) {
  record.decision.effort = Effort::none;
  answer(seconds(300));
  EXPECT_THAT(sent, ElementsAre(280));
  EXPECT_EQ(asked_at, Effort::none) << "as it was read";
  record.decision.effort = Effort::low;
  answer(seconds(300));
  EXPECT_THAT(sent, SizeIs(1));
}

TEST_F(KeepAliveTest, NothingIsKeptThatNobodyAskedForOrThatCannotBe) {
  policy.keep_alive = KeepWarm::never;
  answer(seconds(1000));
  policy.keep_alive = KeepWarm::if_cheaper;
  policy.targets[0].provider = "openai";  // its life is not promised
  answer(seconds(1000));
  policy.targets[0].provider = "anthropic";
  request.facts.n_prompt_estimate = 100;  // too short to be cached
  answer(seconds(1000));
  request.facts.n_prompt_estimate = 50'000;
  request.facts.asks_for_hour_cache = true;
  answer(seconds(1000));
  request.facts.asks_for_hour_cache = false;
  request.body.reasoning.budget_tokens = 2000;
  answer(seconds(1000));
  EXPECT_THAT(sent, IsEmpty());
}

}  // namespace
}  // namespace hearth::router
