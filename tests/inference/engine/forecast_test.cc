#include "inference/forecast.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "engine/fit.h"
#include "inference/engine/engine_driver.h"

namespace hearth::engine {
namespace {

using testing::EngineDriver;
using testing::greedy;
using testing::tiny_model;

// --- fitting ---

using Terms = std::array<double, 3>;

double cost(const Terms& terms) { return 5 + 2 * terms[1] + 0.01 * terms[2]; }

TEST(Fit, FindsThePriceOfEachTerm) {
  Fit<3> fit;
  std::minstd_rand random;
  for (int i = 0; i < 200; ++i) {
    const Terms terms{1, static_cast<double>(random() % 256), static_cast<double>(random() % 9999)};
    fit.learn(terms, cost(terms));
  }
  EXPECT_NEAR(fit.price(0), 5, 0.1);
  EXPECT_NEAR(fit.price(1), 2, 0.01);
  EXPECT_NEAR(fit.price(2), 0.01, 0.0005);
  EXPECT_LT(fit.sd(), 0.02);
}

TEST(Fit, KeepsThePriceOfWhatIsNotSeenForLong) {
  Fit<3> fit;
  for (int i = 0; i < 50; ++i) {
    const Terms terms{1, static_cast<double>(i % 7), 100.0 * i};
    fit.learn(terms, cost(terms));
  }
  for (int i = 0; i < 5000; ++i) fit.learn(Terms{1, 0, 0}, 5);
  EXPECT_NEAR(fit.price(1), 2, 0.02);
}

TEST(Fit, FollowsAMachineThatBecomesSlower) {
  Fit<3> fit;
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 400; ++i) {
      const Terms terms{1, static_cast<double>(i % 7), 100.0 * (i % 50)};
      fit.learn(terms, (1 + round) * cost(terms));
    }
  EXPECT_NEAR(fit.price(0), 10, 0.3);
  EXPECT_NEAR(fit.price(1), 4, 0.1);
}

TEST(Fit, OneStallChangesLittle) {
  Fit<3> fit;
  for (int i = 0; i < 100; ++i) fit.learn(Terms{1, static_cast<double>(i % 5), 0}, 5 + 2 * (i % 5));
  fit.learn(Terms{1, 1, 0}, 5000);
  EXPECT_NEAR(fit.price(0) + fit.price(1), 7, 0.2);
}

// --- prompts ---

CompletionRequest conversation(std::initializer_list<std::string> texts) {
  CompletionRequest body = greedy("", 8);
  body.prompt.reset();
  Role role = Role::system;
  for (const std::string& text : texts) {
    body.messages.push_back(text_message(role, text));
    role = role == Role::user ? Role::assistant : Role::user;
  }
  return body;
}

TEST(PromptPoints, EqualBeginningsHaveEqualPoints) {
  const auto one = points_of(conversation({"rules", "first"})).hashes;
  const auto other = points_of(conversation({"rules", "second", "answer"})).hashes;
  EXPECT_EQ(one[0], other[0]);
  EXPECT_EQ(one[1], other[1]);
  EXPECT_NE(one[2], other[2]);
  EXPECT_NE(points_of(conversation({"rule", "sfirst"})).hashes[1], one[1]);
}

TEST(PromptPoints, AnAnswerIsTheSameWhenItComesBack) {
  CompletionRequest request = conversation({"rules", "question"});
  Message answer = text_message(Role::assistant, "let me look");
  answer.blocks.emplace_back().content = ToolCall{"call_1", "read", R"({"path": "a"})"};
  const uint64_t point = extended(points_of(request).hashes.back(), answer);
  answer.id = "msg_1";
  std::get<ToolCall>(answer.blocks.back().content).id = "other";
  answer.blocks.emplace_back().content = Reasoning{"hm", std::nullopt};
  request.messages.push_back(answer);
  EXPECT_EQ(points_of(request).hashes.back(), point);
}

TEST(PromptPoints, AFillingSharesNoneWithAConversation) {
  CompletionRequest filling = greedy("", 8);
  filling.prompt.reset();
  filling.infill.emplace().prefix = "int main(";
  EXPECT_NE(points_of(filling).hashes.at(0), points_of(conversation({"rules"})).hashes.at(0));
}

TEST(PromptPoints, ToolsBelongToTheBeginningUnlessNoneMayBeCalled) {
  CompletionRequest request = conversation({"rules"});
  const auto without = points_of(request).hashes;
  request.tools.push_back({.name = "read", .description = "reads", .parameters = {}});
  EXPECT_NE(points_of(request).hashes[0], without[0]);
  request.tool_choice.mode = ToolChoice::Mode::none;
  EXPECT_EQ(points_of(request).hashes, without);
}

// --- the engine's side ---

class ForecastTest : public ::testing::Test {
 protected:
  EngineDriver driver;
  void load(ModelSettings settings = {}) {
    const auto error = driver.load(tiny_model(4096), settings);
    ASSERT_FALSE(error) << error->message;
    driver.per_look = std::chrono::milliseconds(1);
  }
  std::optional<Estimate> estimate(const CompletionRequest& body) {
    const SnapshotData data = driver.snapshot();
    const ModelSnapshot* model = find_model(data, "tiny");
    if (model == nullptr) return std::nullopt;
    return engine::estimate(*model, driver.shared.prefixes, body, points_of(body));
  }
};

std::string words(int n, int first = 0) {
  std::string text;
  for (int i = 0; i < n; ++i) text += "word" + std::to_string(first + i) + ' ';
  return text;
}

TEST_F(ForecastTest, SaysNothingBeforeAnythingWasMeasured) {
  load();
  EXPECT_FALSE(estimate(conversation({"rules", "question"})));
}

TEST_F(ForecastTest, SaysNothingOfIdsAndOfPromptsThatAreScored) {
  load();
  CompletionRequest body;
  body.prompt = "once upon a time";
  body.max_tokens = 4;
  driver.answer(body);
  EXPECT_TRUE(estimate(body));
  body.echoes_prompt = true;
  EXPECT_TRUE(estimate(body));
  body.n_logprobs = 0;
  EXPECT_FALSE(estimate(body));
  body = {};
  body.prompt = "";
  body.prompt_tokens = {5, 6, 7};
  EXPECT_FALSE(estimate(body));
}

TEST_F(ForecastTest, KnowsWhatTheNextTurnHasCached) {
  load();
  CompletionRequest body = conversation({words(60), "question"});
  for (int turn = 0; turn < 4; ++turn) {
    const auto before = estimate(body);
    const testing::Answer answer = driver.answer(body);
    ASSERT_TRUE(answer.done);
    if (before) {
      EXPECT_EQ(before->n_cached, answer.done->usage.n_cached) << turn;
      EXPECT_NEAR(before->n_prompt, answer.done->usage.n_prompt, 0.1 * answer.done->usage.n_prompt);
    }
    body.messages.push_back(text_message(Role::assistant, answer.text));
    body.messages.push_back(text_message(Role::user, words(10, 100 * turn)));
  }
}

TEST_F(ForecastTest, KnowsWhatARepeatedPromptHasCached) {
  load();
  driver.answer(conversation({words(60), "question"}));
  for (const CompletionRequest& body :
       {conversation({"short", "question"}), conversation({words(40), "question"})}) {
    driver.answer(body);
    const auto expected = estimate(body);
    ASSERT_TRUE(expected);
    const Usage usage = driver.answer(body).done->usage;
    EXPECT_EQ(usage.n_cached, usage.n_prompt - 1);
    EXPECT_EQ(expected->n_cached, usage.n_cached);
    EXPECT_EQ(expected->n_prompt, usage.n_prompt);
  }
}

TEST_F(ForecastTest, ConversationsShareTheirRules) {
  load();
  const std::string rules = words(100);
  driver.answer(conversation({rules, "one"}));
  const CompletionRequest other = conversation({rules, "two or three"});
  const auto expected = estimate(other);
  ASSERT_TRUE(expected);
  const testing::Answer answer = driver.answer(other);
  EXPECT_GT(answer.done->usage.n_cached, 500u);
  EXPECT_NEAR(expected->n_cached, answer.done->usage.n_cached, 32);
}

TEST_F(ForecastTest, WhatIsForgottenIsNoLongerCounted) {
  ModelSettings settings;
  settings.n_context = 1024;
  load(settings);
  const CompletionRequest first = conversation({words(60), "question"});
  driver.answer(first);
  EXPECT_GT(estimate(first)->n_cached, 300u);
  for (int i = 1; i < 20; ++i)
    ASSERT_TRUE(driver.answer(conversation({words(90, 1000 * i), "question"})).done);
  const uint32_t expected = estimate(first)->n_cached;
  const uint32_t n_cached = driver.answer(first).done->usage.n_cached;
  EXPECT_LT(n_cached, 20u) << "what every conversation begins with";
  EXPECT_EQ(expected, n_cached);
}

TEST_F(ForecastTest, WaitsForThePromptsInFront) {
  load();
  for (int i = 0; i < 8; ++i) driver.answer(greedy(words(20 + 40 * i, 3000 * i), 8));
  const CompletionRequest body = greedy(words(20, 77777), 4);
  const auto quiet = estimate(body);
  driver.start(greedy(words(400, 55555), 4));
  driver.engine.step();
  const auto busy = estimate(body);
  EXPECT_EQ(quiet->queue_ms, 0);
  EXPECT_GT(busy->queue_ms, 0);
  EXPECT_GT(busy->ttft_ms.mean, quiet->ttft_ms.mean + busy->queue_ms * 0.9);
}

// The clock moves by one millisecond a step, however much it computes.
TEST_F(ForecastTest, LearnsWhatAStepCosts) {
  load();
  for (int i = 0; i < 12; ++i) driver.answer(greedy(words(10 + 10 * i, 1000 * i), 8));
  const CompletionRequest body = greedy(words(30, 99999), 4);
  const auto forecast = estimate(body);
  EXPECT_NEAR(forecast->token_ms.mean, 1, 0.1);
  const testing::Answer answer = driver.answer(body);
  EXPECT_NEAR(forecast->ttft_ms.mean, answer.done->timings.prefill_ms, 4);
}

TEST(HostileSnapshot, GivesFiniteForecasts) {
  ModelSnapshot model;
  model.steps.n_seen = 1;
  const double bad[] = {std::numeric_limits<double>::quiet_NaN(), INFINITY, -INFINITY, 1e300, -1};
  auto index = std::make_unique<PrefixIndex>();
  const CompletionRequest body = conversation({"rules", "question"});
  index->put(PrefixIndex::key(points_of(body).hashes[1], ""), {UINT32_MAX, UINT32_MAX});
  for (const double number : bad) {
    std::ranges::fill(model.steps.ms, number);
    std::ranges::fill(model.text.tokens, number);
    model.steps.sd = model.text.sd = model.decode_context = model.prefill_context_left = number;
    model.rows_alone = model.rows_beside_decoding = model.prepare_ms_per_token = number;
    model.n_prefill_left = UINT64_MAX;
    model.n_decoding = model.n_queued = UINT32_MAX;
    const auto made = estimate(model, *index, body, points_of(body));
    ASSERT_TRUE(made);
    EXPECT_TRUE(std::isfinite(made->ttft_ms.mean) && made->ttft_ms.mean >= 0) << number;
    EXPECT_TRUE(std::isfinite(made->ttft_ms.sd) && std::isfinite(made->token_ms.mean)) << number;
    EXPECT_LE(made->n_cached, made->n_prompt);
  }
}

}  // namespace
}  // namespace hearth::engine
