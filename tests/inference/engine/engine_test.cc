#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <semaphore>
#include <thread>

#include "inference/engine/engine_driver.h"

namespace hearth::engine {
namespace {

using testing::Answer;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::EngineDriver;
using testing::greedy;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::tiny_model;

std::string words(size_t n_bytes, char first = 'a') {
  std::string out;
  for (size_t i = 0; i < n_bytes; ++i)
    out += static_cast<char>(first + static_cast<char>(i * 7 % 23));
  return out;
}

class EngineTest : public ::testing::Test {
 protected:
  EngineDriver driver;
  void load(uint32_t n_context = 2048, ModelSettings settings = {}) {
    auto error = driver.load(tiny_model(n_context), settings);
    ASSERT_FALSE(error) << error->message;
  }
};

TEST_F(EngineTest, AnswersAPrompt) {
  load();
  Answer answer = driver.answer(greedy("hello", 12));
  ASSERT_TRUE(answer.done);
  EXPECT_THAT(answer.text, SizeIs(12));
  EXPECT_THAT(answer.tokens, SizeIs(12));
  EXPECT_EQ(answer.done->finish_reason, FinishReason::length);
  EXPECT_EQ(answer.done->usage.n_prompt, 5u);
  EXPECT_EQ(answer.done->usage.n_completion, 12u);
  EXPECT_EQ(answer.done->usage.n_cached, 0u);
  EXPECT_EQ(driver.events.front(), "accepted 1");
  EXPECT_EQ(driver.events.back(), "done 1");
}

TEST_F(EngineTest, AnswersAConversationThroughTheTemplate) {
  load();
  CompletionRequest body = greedy("", 4);
  body.prompt.reset();
  body.messages = {text_message(Role::user, "hi")};
  Answer answer = driver.answer(body);
  ASSERT_TRUE(answer.done);
  // <|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n
  EXPECT_EQ(answer.done->usage.n_prompt, 1u + 5 + 2 + 1 + 1 + 1 + 10);
}

TEST_F(EngineTest, KnowsWhetherThePromptOpenedTheReasoning) {
  load();
  CompletionRequest body = greedy("", 8);
  body.prompt.reset();
  body.messages = {text_message(Role::user, "hi <think>")};
  Answer plain = driver.answer(body);
  EXPECT_EQ(plain.reasoning, "");
  EXPECT_THAT(plain.text, SizeIs(8));
  EXPECT_EQ(plain.done->usage.n_reasoning, 0u);
  body.template_variables.text = R"({"think": true})";
  Answer thinking = driver.answer(body);
  EXPECT_EQ(thinking.text, "");
  EXPECT_THAT(thinking.reasoning, SizeIs(8));
  EXPECT_EQ(thinking.done->usage.n_reasoning, 8u);
}

TEST_F(EngineTest, AloneAndInABatchAreTheSame) {
  load();
  std::vector<std::string> prompts;
  for (size_t i = 0; i < 10; ++i) prompts.push_back(words(1 + i * 37, static_cast<char>('a' + i)));
  std::vector<std::vector<Token>> alone;
  for (const std::string& prompt : prompts) {
    EngineDriver single;
    ASSERT_FALSE(single.load(tiny_model()));
    alone.push_back(single.answer(greedy(prompt, 40)).tokens);
  }
  std::vector<uint64_t> ids;
  for (const std::string& prompt : prompts) {
    ids.push_back(driver.start(greedy(prompt, 40)));
    driver.engine.step();  // so that prompts meet answers under way
  }
  driver.run();
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(driver.answers[ids[i]].tokens, alone[i]) << i;
}

TEST_F(EngineTest, RunsEightAtOnce) {
  load();
  for (int i = 0; i < 8; ++i) driver.start(greedy(words(20), 20));
  for (int i = 0; i < 4; ++i) driver.engine.step();
  EXPECT_EQ(driver.snapshot().n_running, 8u);
  driver.run();
  for (auto& [id, answer] : driver.answers) EXPECT_TRUE(answer.done) << id;
}

TEST_F(EngineTest, ACachedPrefixGivesTheSameAnswerAndIsReported) {
  load();
  const std::string prompt = words(300);
  Answer cold = driver.answer(greedy(prompt, 30));
  Answer warm = driver.answer(greedy(prompt, 30));
  EXPECT_EQ(cold.done->usage.n_cached, 0u);
  EXPECT_EQ(warm.done->usage.n_cached, 299u) << "the last one is computed for its logits";
  EXPECT_EQ(warm.accepted->n_cached, 299u);
  EXPECT_EQ(warm.tokens, cold.tokens);
}

TEST_F(EngineTest, APromptOfWholePagesStillComputesItsLastToken) {
  load();
  const std::string prompt = words(256);
  Answer cold = driver.answer(greedy(prompt, 10));
  Answer warm = driver.answer(greedy(prompt, 10));
  EXPECT_EQ(warm.done->usage.n_cached, 255u);
  EXPECT_EQ(warm.tokens, cold.tokens);
}

// Wherever a prompt parts from one that is still being answered or has been, in each of its pages.
TEST_F(EngineTest, EverySharedTokenIsReadOnce) {
  load();
  const std::string shared = words(100);
  const uint64_t first = driver.start(greedy(shared, 80));
  for (int i = 0; i < 5; ++i) driver.engine.step();
  ASSERT_FALSE(driver.answers[first].is_ended());
  EngineDriver other;
  ASSERT_FALSE(other.load(tiny_model()));
  for (const size_t n : {1u, 17u, 63u, 64u, 65u, 99u, 100u}) {
    const std::string prompt = shared.substr(0, n) + "?!";
    const Answer answer = driver.answer(greedy(prompt, 20));
    EXPECT_EQ(answer.done->usage.n_cached, n);
    const Answer alone = other.answer(greedy(prompt, 20));
    EXPECT_EQ(answer.tokens, alone.tokens) << n;
  }
  EXPECT_TRUE(driver.answers[first].done);
  EXPECT_EQ(driver.answers[first].tokens, other.answer(greedy(shared, 80)).tokens);
}

TEST_F(EngineTest, AnAnswerBecomesTheNextPromptsPrefix) {
  load();
  Answer first = driver.answer(greedy(words(100), 100));
  Answer second = driver.answer(greedy(words(100) + first.text + "more", 10));
  EXPECT_EQ(second.done->usage.n_cached, 199u) << "the answer's last token was not computed";
  EngineDriver other;
  ASSERT_FALSE(other.load(tiny_model()));
  EXPECT_EQ(other.answer(greedy(words(100) + first.text + "more", 10)).tokens, second.tokens);
}

TEST_F(EngineTest, ParallelRequestsShareAPromptThatIsAlreadyRead) {
  load();
  driver.start(greedy(words(300), 50));
  driver.engine.step();
  driver.engine.step();
  uint64_t second = driver.start(greedy(words(300) + "x", 5));
  driver.run();
  EXPECT_EQ(driver.answers[second].accepted->n_cached, 300u);
}

TEST_F(EngineTest, RequestsBeyondTheCacheWaitAndAreAnswered) {
  ModelSettings settings;
  ASSERT_FALSE(driver.load(tiny_model(512), settings));
  uint64_t pool = driver.snapshot().n_pages_total;
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < 2 * pool; ++i)
    ids.push_back(
        driver.start(greedy(words(200, static_cast<char>('a' + i % 20)) + std::to_string(i), 8)));
  driver.engine.step();
  EXPECT_GT(driver.snapshot().n_queued, 0u);
  EXPECT_GE(driver.snapshot().n_running, 8u);
  ASSERT_TRUE(driver.run());
  for (uint64_t id : ids) EXPECT_TRUE(driver.answers[id].done) << id;
  std::vector<std::string> accepted;
  for (const std::string& event : driver.events)
    if (event.starts_with("accepted")) accepted.push_back(event);
  for (size_t i = 0; i < accepted.size(); ++i)  // first come, first served
    EXPECT_EQ(accepted[i], "accepted " + std::to_string(i + 1));
}

// Where a prompt needs every page there is none to copy into beside the one that is copied.
TEST_F(EngineTest, APromptThatFillsTheCacheIsReadFromItsLastPage) {
  ModelSettings settings;
  settings.memory_bytes = 64u << 10;
  while (driver.load(tiny_model(1u << 20), settings)) settings.memory_bytes += 64u << 10;
  const size_t pool = driver.snapshot().n_pages_total;
  ASSERT_EQ(driver.facts.at("tiny").n_context, pool * kPageTokens);
  const std::string prompt = words(pool * kPageTokens - 20);
  const Answer cold = driver.answer(greedy(prompt, 10));
  const Answer warm = driver.answer(greedy(prompt, 10));
  EXPECT_EQ(warm.done->usage.n_cached, (pool - 1) * kPageTokens);
  EXPECT_EQ(warm.tokens, cold.tokens);
}

TEST_F(EngineTest, ManyPartInAPageWhileTheCacheRunsOver) {
  ASSERT_FALSE(driver.load(tiny_model(512)));
  const size_t pool = driver.snapshot().n_pages_total;
  const auto prompt = [](size_t i) {
    return words(70 + 5 * (i % 11)) + std::to_string(i) + words(i % 60);
  };
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < 2 * pool; ++i) ids.push_back(driver.start(greedy(prompt(i), 100)));
  ASSERT_TRUE(driver.run());
  EngineDriver other;
  ASSERT_FALSE(other.load(tiny_model(512)));
  for (size_t i = 0; i < ids.size(); i += 9)
    EXPECT_EQ(driver.answers[ids[i]].tokens, other.answer(greedy(prompt(i), 100)).tokens) << i;
}

// All start with room, and outgrow the pool while they answer.
TEST_F(EngineTest, AnswersThatOutgrowTheCacheAreTheSameAsAlone) {
  ASSERT_FALSE(driver.load(tiny_model(512)));
  size_t n = driver.snapshot().n_pages_total;
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < n; ++i)
    ids.push_back(driver.start(greedy("prompt " + std::to_string(i), 150)));
  ASSERT_TRUE(driver.run());
  for (size_t i : {size_t{0}, n / 2, n - 1}) {
    EngineDriver single;
    ASSERT_FALSE(single.load(tiny_model(512)));
    EXPECT_EQ(driver.answers[ids[i]].tokens,
              single.answer(greedy("prompt " + std::to_string(i), 150)).tokens)
        << i;
  }
  for (uint64_t id : ids) EXPECT_EQ(driver.answers[id].done->usage.n_completion, 150u) << id;
}

TEST_F(EngineTest, RefusesAPromptBeyondTheContextWithBothNumbers) {
  load(128);
  for (size_t n : {size_t{128}, size_t{129}, size_t{5000}}) {
    Answer answer = driver.answer(greedy(words(n), 5));
    ASSERT_TRUE(answer.failed) << n;
    EXPECT_EQ(answer.failed->error.code, Errc::context_exceeded);
    EXPECT_EQ(answer.failed->n_prompt, n);
    EXPECT_EQ(answer.failed->n_context, 128u);
    EXPECT_THAT(answer.failed->error.message, HasSubstr(std::to_string(n) + " tokens"));
    EXPECT_THAT(answer.failed->error.message, HasSubstr("128 tokens"));
  }
}

TEST_F(EngineTest, TheContextLimitsTheAnswer) {
  load(128);
  for (uint32_t max_tokens : {0u, 10000u, UINT32_MAX}) {
    Answer answer = driver.answer(greedy(words(100), max_tokens));
    ASSERT_TRUE(answer.done);
    EXPECT_EQ(answer.done->finish_reason, FinishReason::length);
    EXPECT_EQ(answer.done->usage.n_completion, 28u);
  }
  EXPECT_EQ(driver.answer(greedy(words(127), 0)).done->usage.n_completion, 1u);
}

TEST_F(EngineTest, CancelTakesEffectBeforeTheNextToken) {
  load();
  uint64_t request = driver.start(greedy("hello", 1000));
  for (int i = 0; i < 5; ++i) driver.engine.step();
  size_t shown = driver.answers[request].tokens.size();
  driver.cancel(request);
  const Answer& answer = driver.answers[request];
  ASSERT_TRUE(answer.done);
  EXPECT_EQ(answer.done->finish_reason, FinishReason::cancelled);
  EXPECT_EQ(answer.tokens.size(), shown);
  EXPECT_FALSE(driver.engine.step());
}

TEST_F(EngineTest, CancelAtEveryTokenLeaksNothingAndChangesNothing) {
  load(512);
  const Answer whole = driver.answer(greedy(words(130), 100));
  for (int steps = 0; steps < 100; ++steps) {
    uint64_t request = driver.start(greedy(words(130), 100));
    for (int i = 0; i < steps; ++i) driver.engine.step();
    driver.cancel(request);
    const std::vector<Token>& tokens = driver.answers[request].tokens;
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), whole.tokens.begin())) << steps;
  }
  EXPECT_EQ(driver.answer(greedy(words(130), 100)).tokens, whole.tokens);
  EXPECT_EQ(driver.snapshot().n_pages_used, 4u);  // 229 tokens: what the prefix cache keeps
}

TEST_F(EngineTest, CancelReachesRequestsThatWait) {
  ASSERT_FALSE(driver.load(tiny_model(512)));
  size_t n = driver.snapshot().n_pages_total;
  uint64_t last = 0;
  for (size_t i = 0; i < n; ++i) last = driver.start(greedy(words(300) + std::to_string(i), 5));
  driver.cancel(last);
  EXPECT_EQ(driver.answers[last].done->finish_reason, FinishReason::cancelled);
  driver.cancel(12345);  // unknown: passed over
  EXPECT_TRUE(driver.run());
}

TEST_F(EngineTest, StopsAtAStringAcrossTokens) {
  load();
  const std::string whole = driver.answer(greedy("hello", 60)).text;
  CompletionRequest body = greedy("hello", 60);
  const std::string stop = whole.substr(20, 5);
  body.stop = {stop};
  Answer answer = driver.answer(body);
  EXPECT_EQ(answer.done->finish_reason, FinishReason::stop);
  EXPECT_EQ(answer.done->stop_string, stop);
  EXPECT_EQ(answer.text, whole.substr(0, whole.find(stop)));
}

TEST_F(EngineTest, StopsAtAnEndTokenUnlessToldToIgnoreIt) {
  load();
  CompletionRequest body = greedy("hello", 20);
  body.ignore_eos = false;
  body.sampling.logit_bias = {{testing::kEnd, 1000}};
  Answer ended = driver.answer(body);
  EXPECT_EQ(ended.done->finish_reason, FinishReason::stop);
  EXPECT_EQ(ended.done->usage.n_completion, 0u);
  EXPECT_EQ(ended.done->stop_string, std::nullopt);
  body.ignore_eos = true;
  EXPECT_EQ(driver.answer(body).done->usage.n_completion, 20u);
}

TEST_F(EngineTest, ASeedRepeatsItself) {
  load();
  CompletionRequest body = greedy("hello", 40);
  body.sampling.temperature = 1.5f;
  body.sampling.seed = 42;
  Answer first = driver.answer(body), second = driver.answer(body);
  EXPECT_EQ(first.tokens, second.tokens);
  EXPECT_EQ(first.done->seed, 42u);
  body.sampling.seed.reset();
  Answer random = driver.answer(body);
  body.sampling.seed = random.done->seed;
  EXPECT_EQ(driver.answer(body).tokens, random.tokens);
  EXPECT_NE(random.tokens, first.tokens);
}

TEST_F(EngineTest, AFarPromptDoesNotFreezeAnAnswer) {
  load(4096);
  uint64_t answering = driver.start(greedy("hello", 500));
  driver.engine.step();
  uint64_t reading = driver.start(greedy(words(3000), 5));
  size_t steps = 0;
  for (; driver.answers[reading].tokens.empty(); ++steps) {
    size_t before = driver.answers[answering].tokens.size();
    driver.engine.step();
    ASSERT_EQ(driver.answers[answering].tokens.size(), before + 1) << steps;
  }
  EXPECT_GT(steps, 3000u / kStepRows);
}

TEST_F(EngineTest, ReportsProgressEvery500Milliseconds) {
  load(4096);
  uint64_t request = driver.start(greedy(words(256 * 10), 1));
  for (int i = 0; i < 10; ++i) {
    driver.now += std::chrono::milliseconds(300);
    driver.engine.step();
  }
  std::vector<uint32_t> done;
  for (const StreamDelta& progress : driver.answers[request].progress) {
    done.push_back(progress.n_done);
    EXPECT_EQ(progress.n_prompt, 2560u);
  }
  EXPECT_THAT(done, ElementsAre(768, 1280, 1792, 2304));
}

TEST_F(EngineTest, TimingsAddUp) {
  load();
  uint64_t request = driver.start(greedy("hello", 4));
  driver.now += std::chrono::milliseconds(70);  // in the queue
  driver.per_look = std::chrono::milliseconds(1);
  driver.run();
  const Timings& timings = driver.answers[request].done->timings;
  EXPECT_EQ(timings.queue_ms, 71);
  EXPECT_GT(timings.prefill_ms, 0);
  EXPECT_GT(timings.decode_ms, 0);
  EXPECT_LT(timings.prefill_ms + timings.decode_ms, 40);
}

TEST_F(EngineTest, PublishesWhatItIsDoing) {
  load();
  driver.start(greedy(words(400), 10));
  EXPECT_EQ(driver.snapshot().n_queued, 1u);
  EXPECT_EQ(driver.snapshot().n_prefill_left, 400u);
  driver.per_look = std::chrono::milliseconds(1);
  driver.engine.step();
  EXPECT_EQ(driver.snapshot().n_running, 1u);
  EXPECT_EQ(driver.snapshot().n_prefill_left, 144u);
  EXPECT_EQ(driver.snapshot().n_prefill_tokens, 256u);
  driver.run();
  SnapshotData data = driver.snapshot();
  EXPECT_EQ(data.n_running, 0u);
  EXPECT_EQ(data.n_steps, 11u);
  EXPECT_EQ(data.n_prefill_tokens, 400u);
  EXPECT_EQ(data.n_decode_tokens, 9u);
  EXPECT_GT(data.decode_tokens_per_s, 0);
  driver.unload();
  EXPECT_EQ(driver.snapshot().n_prefill_tokens, 400u);
  EXPECT_EQ(driver.snapshot().n_pages_total, 0u);
}

TEST_F(EngineTest, RefusesWhatMeansNothing) {
  load();
  auto check = [&](CompletionRequest body, Errc code, std::string_view text) {
    Answer answer = driver.answer(std::move(body));
    ASSERT_TRUE(answer.failed) << text;
    EXPECT_EQ(answer.failed->error.code, code) << text;
    EXPECT_THAT(answer.failed->error.message, HasSubstr(text));
  };
  CompletionRequest body = greedy("", 5);
  check(body, Errc::invalid, "prompt is empty");
  body = greedy("a", 5);
  body.sampling.temperature = std::numeric_limits<float>::quiet_NaN();
  check(body, Errc::invalid, "temperature");
  body = greedy("a", 5);
  body.stop.assign(10000, "x");
  check(body, Errc::invalid, "stop: 10000 strings");
  body = greedy("a", 5);
  body.stop = {std::string(5000, 'x')};
  check(body, Errc::invalid, "5000 bytes");
  body = greedy("a", 5);
  for (Token token = 0; token < static_cast<Token>(testing::kTinyVocab); ++token)
    body.sampling.logit_bias.push_back({token, -100});
  check(body, Errc::invalid, "no token is left");
}

TEST_F(EngineTest, SaysWhichModelIsNotLoaded) {
  uint64_t request = driver.start(greedy("a", 1), "other");
  ASSERT_TRUE(driver.answers[request].failed);
  EXPECT_EQ(driver.answers[request].failed->error.code, Errc::not_found);
  EXPECT_THAT(driver.answers[request].failed->error.message, HasSubstr("other"));
}

// Token 'X' has an embedding that is no number: only who uses it fails.
TEST_F(EngineTest, NumbersThatGoWrongFailOnlyTheirRequest) {
  testing::ModelImage image = tiny_model();
  image.tensors.at("token_embd.weight").values['!' * 32] = std::numeric_limits<float>::quiet_NaN();
  ASSERT_FALSE(driver.load(image));
  uint64_t good = driver.start(greedy(words(80), 30)), bad = driver.start(greedy("abc!", 30)),
           also_good = driver.start(greedy(words(90), 30));
  ASSERT_TRUE(driver.run());
  ASSERT_TRUE(driver.answers[bad].failed);
  EXPECT_EQ(driver.answers[bad].failed->error.code, Errc::internal);
  EXPECT_THAT(driver.answers[bad].failed->error.message, HasSubstr("layer"));
  EngineDriver sound;
  ASSERT_FALSE(sound.load(tiny_model()));
  EXPECT_EQ(driver.answers[good].tokens, sound.answer(greedy(words(80), 30)).tokens);
  EXPECT_EQ(driver.answers[also_good].tokens, sound.answer(greedy(words(90), 30)).tokens);
}

TEST_F(EngineTest, LoadsSeveralModelsAndFinishesWithTheLast) {
  EXPECT_FALSE(driver.engine.is_finished());
  ASSERT_FALSE(driver.load(tiny_model(2048, 1), {}, "one"));
  ASSERT_FALSE(driver.load(tiny_model(2048, 2), {}, "two"));
  uint64_t a = driver.start(greedy("hello", 20), "one"),
           b = driver.start(greedy("hello", 20), "two");
  driver.run();
  EXPECT_NE(driver.answers[a].tokens, driver.answers[b].tokens);
  driver.unload("one");
  EXPECT_FALSE(driver.engine.is_finished());
  driver.unload("two");
  EXPECT_TRUE(driver.engine.is_finished());
  EXPECT_THAT(driver.facts, IsEmpty());
}

TEST_F(EngineTest, UnloadEndsWhatIsRunning) {
  load();
  uint64_t request = driver.start(greedy("hello", 1000));
  driver.engine.step();
  driver.unload();
  ASSERT_TRUE(driver.answers[request].failed);
  EXPECT_EQ(driver.answers[request].failed->error.code, Errc::cancelled);
}

TEST_F(EngineTest, FactsSayWhatWasDecided) {
  load(2048);
  const ModelFacts& facts = driver.facts.at("tiny");
  EXPECT_EQ(facts.architecture, "llama");
  EXPECT_EQ(facts.name, "tiny");
  EXPECT_EQ(facts.n_context, 2048u);
  EXPECT_EQ(facts.n_vocab, testing::kTinyVocab);
  EXPECT_EQ(facts.n_threads, 1u);
  EXPECT_TRUE(facts.has_template);
  EXPECT_GT(facts.weights_bytes, 0u);
  EXPECT_GT(facts.kv_bytes, 0u);
}

TEST_F(EngineTest, ContextShrinksToTheMemoryGivenAndSaysSo) {
  load(1u << 20);
  ModelSettings settings;
  settings.memory_bytes = 64u << 10;
  auto refused = driver.load(tiny_model(1u << 20), settings, "small");
  ASSERT_TRUE(refused);
  EXPECT_THAT(refused->message, HasSubstr("available 0.1 MiB"));
  while (driver.load(tiny_model(1u << 20), settings, "small")) settings.memory_bytes += 64u << 10;
  const ModelFacts& facts = driver.facts.at("small");
  EXPECT_LT(facts.n_context, 1u << 20);
  EXPECT_GE(facts.n_context, 512u);
  EXPECT_THAT(facts.notes, Contains(HasSubstr("context reduced from 1048576 to " +
                                              std::to_string(facts.n_context))));
}

TEST_F(EngineTest, AConfiguredContextIsUsed) {
  ModelSettings settings;
  settings.n_context = 700;
  load(2048, settings);
  EXPECT_EQ(driver.facts.at("tiny").n_context, 700u);
  EXPECT_EQ(driver.answer(greedy(words(690), 0)).done->usage.n_completion, 10u);
}

TEST_F(EngineTest, RefusesABrokenFileAndLivesOn) {
  testing::ModelImage image = tiny_model();
  image.tensors.erase("blk.1.ffn_down.weight");
  auto error = driver.load(image);
  ASSERT_TRUE(error);
  EXPECT_THAT(error->message, HasSubstr("blk.1.ffn_down.weight"));
  load();
  EXPECT_TRUE(driver.answer(greedy("a", 1)).done);
}

class KvTypes : public ::testing::TestWithParam<KvType> {};

TEST_P(KvTypes, CachedEqualsComputed) {
  EngineDriver driver;
  ModelSettings settings;
  settings.kv_type = GetParam();
  testing::ModelImage::Sizes sizes{.head_dim = 32, .n_vocab = testing::kTinyVocab};
  testing::ModelImage image = testing::ModelImage::random(sizes);
  testing::add_vocabulary(image);
  ASSERT_FALSE(driver.load(image, settings));
  Answer cold = driver.answer(greedy(words(200), 30)), warm = driver.answer(greedy(words(200), 30));
  EXPECT_EQ(warm.done->usage.n_cached, 199u);
  EXPECT_EQ(warm.tokens, cold.tokens);
}

INSTANTIATE_TEST_SUITE_P(All, KvTypes,
                         ::testing::Values(KvType::automatic, KvType::f32, KvType::f16,
                                           KvType::q8_0),
                         [](const auto& type) { return std::string(enum_name(type.param)); });

// The loading thread is held up at its first look at the clock; the answer goes on meanwhile.
TEST(EngineThreads, AnAnswerGoesOnWhileAnotherModelLoads) {
  testing::TemporaryFolder folder;
  const std::string path = folder.write("tiny.gguf", tiny_model().build());
  const std::thread::id engine_thread = std::this_thread::get_id();
  std::atomic<bool> holds_up = false;
  std::counting_semaphore<> woken(0), may_go_on(0), is_held_up(0);
  std::vector<std::string> events;
  size_t n_tokens = 0;
  Engine engine({.emit =
                     [&](const FromEngine& event) {
                       if (const auto* loaded = std::get_if<Loaded>(&event))
                         events.push_back("loaded " + loaded->model);
                       if (const auto* delta = std::get_if<Delta>(&event))
                         n_tokens += delta->delta.tokens.size();
                       if (std::holds_alternative<Done>(event)) events.push_back("done");
                     },
                 .clock =
                     [&] {
                       if (holds_up && std::this_thread::get_id() != engine_thread) {
                         is_held_up.release();
                         may_go_on.acquire();
                       }
                       return TimePoint(std::chrono::hours(1));
                     },
                 .unix_time_s = [] { return int64_t{0}; },
                 .wake = [&] { woken.release(); }});
  const auto settle = [&] {
    while (engine.is_waiting()) {
      woken.acquire();
      engine.collect();
    }
  };
  engine.handle(Load{"first", path, {.n_threads = 1}});
  settle();
  engine.handle(Generate{1, "first", greedy("hello", 40)});
  settle();

  holds_up = true;
  engine.handle(Load{"second", path, {.n_threads = 1}});
  is_held_up.acquire();
  while (engine.step()) {
  }
  EXPECT_EQ(n_tokens, 40u);
  EXPECT_THAT(events, ElementsAre("loaded first", "done"));
  EXPECT_TRUE(engine.is_waiting());

  holds_up = false;
  may_go_on.release();
  settle();
  EXPECT_THAT(events, ElementsAre("loaded first", "done", "loaded second"));
}

// gpt-oss-like windows on the tiny model: olmo2 marks its layers in the metadata.
testing::ModelImage windowed_model(uint32_t n_context = 4096) {
  testing::ModelImage image = tiny_model(n_context);
  testing::ModelImage windowed{.keys = {}, .tensors = {}};
  for (const auto& [key, value] : image.keys)
    windowed.keys[key.starts_with("llama.") ? "olmo2" + key.substr(5) : key] = value;
  windowed.keys["general.architecture"] = std::string("olmo2");
  windowed.keys["olmo2.attention.sliding_window"] = 100u;
  windowed.keys["olmo2.attention.sliding_window_pattern"] = std::vector<uint32_t>{1, 0};
  for (auto& [name, tensor] : image.tensors) {
    std::string renamed = name;
    for (const auto& [from, to] :
         {std::pair("attn_norm", "post_attention_norm"), std::pair("ffn_norm", "post_ffw_norm")})
      if (const size_t at = name.find(from); at != std::string::npos)
        renamed.replace(at, std::string_view(from).size(), to);
    windowed.tensors[renamed] = tensor;
  }
  for (const char* layer : {"blk.0.", "blk.1."}) {
    windowed.tensors[layer + std::string("attn_q_norm.weight")] = {.dims = {32},
                                                                   .values = std::vector(32, 1.f)};
    windowed.tensors[layer + std::string("attn_k_norm.weight")] = {.dims = {16},
                                                                   .values = std::vector(16, 1.f)};
  }
  return windowed;
}

TEST_F(EngineTest, WindowsAreLetGoAndTheAnswersStayTheSame) {
  const testing::ModelImage image = windowed_model();
  auto error = driver.load(image);
  ASSERT_FALSE(error) << error->message;
  const std::string prompt = words(700);
  const Answer cold = driver.answer(greedy(prompt, 300));
  ASSERT_TRUE(cold.done);
  // Going on from the end of the prompt, from the end of the answer, and beside others.
  const Answer warm = driver.answer(greedy(prompt, 300));
  EXPECT_EQ(warm.done->usage.n_cached, 699u);
  EXPECT_EQ(warm.tokens, cold.tokens);
  const std::string longer = prompt + cold.text + "more";
  const Answer next = driver.answer(greedy(longer, 50));
  EXPECT_EQ(next.done->usage.n_cached, 999u);
  EngineDriver fresh;
  ASSERT_FALSE(fresh.load(image));
  EXPECT_EQ(fresh.answer(greedy(longer, 50)).tokens, next.tokens);

  std::vector<uint64_t> ids;
  for (int i = 0; i < 30; ++i)
    ids.push_back(driver.start(greedy(words(200, static_cast<char>('a' + i)), 100)));
  ASSERT_TRUE(driver.run());
  for (size_t i : {size_t{0}, size_t{29}}) {
    EngineDriver alone;
    ASSERT_FALSE(alone.load(image));
    EXPECT_EQ(driver.answers[ids[i]].tokens,
              alone.answer(greedy(words(200, static_cast<char>('a' + i)), 100)).tokens);
  }
}

// Every turn leaves an end, whose windows the tree keeps, on pages that the next turn holds.
TEST_F(EngineTest, AConversationOfManyTurnsFindsItsWindows) {
  const auto error = driver.load(windowed_model(16384));
  ASSERT_FALSE(error) << error->message;
  std::string prompt;
  for (int turn = 0; turn < 90; ++turn) {
    const size_t n_before = prompt.size();
    prompt += words(150, static_cast<char>('a' + turn % 3));
    const uint64_t request = driver.start(greedy(prompt, 2));
    ASSERT_TRUE(driver.run()) << turn;
    const Answer& answer = driver.answers[request];
    ASSERT_TRUE(answer.done) << turn;
    EXPECT_GE(answer.done->usage.n_cached, n_before) << turn;
  }
}

TEST_F(EngineTest, CancelReachesRequestsThatAreBeingPrepared) {
  load();
  driver.engine.handle(Generate{77, "tiny", greedy("hello", 5)});
  driver.engine.handle(Cancel{77});
  ASSERT_TRUE(driver.answers[77].done);
  EXPECT_EQ(driver.answers[77].done->finish_reason, FinishReason::cancelled);
  driver.settle();
  EXPECT_FALSE(driver.engine.step());
  EXPECT_FALSE(driver.answers[77].accepted);
}

TEST_F(EngineTest, UnloadingFailsRequestsThatAreBeingPrepared) {
  load();
  driver.engine.handle(Generate{77, "tiny", greedy("hello", 5)});
  driver.unload();
  ASSERT_TRUE(driver.answers[77].failed);
  EXPECT_EQ(driver.answers[77].failed->error.code, Errc::cancelled);
  EXPECT_FALSE(driver.engine.is_finished()) << "its prompt is still under way";
  driver.settle();
  EXPECT_TRUE(driver.engine.is_finished());
}

TEST_F(EngineTest, PublishesEachModelUnderItsName) {
  ASSERT_FALSE(driver.load(tiny_model(512), {}, "small"));
  ASSERT_FALSE(driver.load(tiny_model(2048), {}, "large"));
  driver.start(greedy(words(100), 5), "large");
  const SnapshotData data = driver.snapshot();
  EXPECT_EQ(data.n_models, 2u);
  ASSERT_NE(find_model(data, "small"), nullptr);
  EXPECT_EQ(find_model(data, "small")->n_context, 512u);
  EXPECT_EQ(find_model(data, "small")->n_queued, 0u);
  ASSERT_NE(find_model(data, "large"), nullptr);
  EXPECT_EQ(find_model(data, "large")->n_queued, 1u);
  EXPECT_EQ(find_model(data, "large")->n_prefill_left, 100u);
  EXPECT_EQ(find_model(data, "other"), nullptr);
}

TEST_F(EngineTest, AllModelsShareTheThreadsOfTheFirst) {
  ASSERT_FALSE(driver.load(tiny_model(), {}, "first"));
  ASSERT_FALSE(driver.load(tiny_model(), {}, "second"));
  EXPECT_EQ(driver.facts["second"].n_threads, 1u);
}

}  // namespace
}  // namespace hearth::engine
