// Grammars, probabilities, lanes, gaps and queries through the engine, with a tiny model whose
// answers are noise: what comes out well-formed is the engine's doing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "inference/engine/engine_driver.h"
#include "inference/graph/golden.h"
#include "support/json.h"

namespace hearth::engine {
namespace {

using testing::Answer;
using testing::EngineDriver;
using testing::greedy;
using ::testing::HasSubstr;
using testing::tiny_model;

class ConstrainedTest : public ::testing::Test {
 protected:
  EngineDriver driver;
  void SetUp() override {
    auto error = driver.load(tiny_model(2048));
    ASSERT_FALSE(error) << error->message;
  }
  static CompletionRequest with_form(ResponseFormat::Kind kind, std::string pattern) {
    CompletionRequest body = greedy("x", 300);
    body.ignore_eos = false;
    body.response_format.kind = kind;
    body.response_format.pattern = pattern;
    body.response_format.schema.text = pattern;
    return body;
  }
};

TEST_F(ConstrainedTest, TheAnswerFulfilsTheSchema) {
  const Answer answer = driver.answer(
      with_form(ResponseFormat::Kind::json_schema,
                R"({"type":"object","properties":{"n":{"type":"integer","maximum":99,"minimum":0},
          "s":{"type":"string","maxLength":5},"b":{"enum":["yes","no"]}},
          "required":["n","s","b"],"additionalProperties":false})"));
  ASSERT_TRUE(answer.done) << answer.failed->error.message;
  EXPECT_EQ(answer.done->finish_reason, FinishReason::stop);
  auto document = json::Document::parse(answer.text);
  ASSERT_TRUE(document) << answer.text;
  EXPECT_TRUE(document->root()["n"].is_int64()) << answer.text;
}

TEST_F(ConstrainedTest, PatternsAndGrammarsAreKeptAndAnswersEndWithThem) {
  const Answer regex = driver.answer(with_form(ResponseFormat::Kind::regex, "[0-9]{3}-[a-f]{2}"));
  ASSERT_TRUE(regex.done);
  EXPECT_THAT(regex.text, ::testing::MatchesRegex("[0-9][0-9][0-9]-[a-f][a-f]"));
  EXPECT_EQ(regex.done->usage.n_completion, 6u) << "it ends without asking for an end token";
  const Answer gbnf =
      driver.answer(with_form(ResponseFormat::Kind::gbnf, "root ::= (\"ab\" | \"cd\"){2}"));
  ASSERT_TRUE(gbnf.done);
  EXPECT_THAT(gbnf.text, ::testing::AnyOf("abab", "abcd", "cdab", "cdcd"));
}

TEST_F(ConstrainedTest, SeveralConstrainedAnswersGoOnSideBySide) {
  std::vector<uint64_t> requests;
  for (int i = 0; i < 3; ++i)
    requests.push_back(driver.start(with_form(ResponseFormat::Kind::regex, "(ab)+c{9}")));
  requests.push_back(driver.start(greedy("free", 20)));
  ASSERT_TRUE(driver.run());
  for (int i = 0; i < 3; ++i) {
    const Answer& answer = driver.answers[requests[static_cast<size_t>(i)]];
    ASSERT_TRUE(answer.done);
    EXPECT_EQ(answer.text, driver.answers[requests[0]].text);
  }
  EXPECT_EQ(driver.answers[requests[3]].done->finish_reason, FinishReason::length);
}

TEST_F(ConstrainedTest, ARequiredCallIsMade) {
  CompletionRequest body = greedy("", 400);
  body.prompt.reset();
  body.ignore_eos = false;
  body.messages = {text_message(Role::user, "weather?")};
  body.tools = {{"look",
                 "",
                 {R"({"type":"object","properties":{"n":{"type":"integer","minimum":1,
      "maximum":9}},"required":["n"],"additionalProperties":false})"},
                 ""}};
  body.tool_choice = {ToolChoice::Mode::required, "", false};
  // It would think without end: neither the token nor the letters of "<think>".
  body.sampling.logit_bias = {{'h', -200.f}, {testing::kThe, -200.f}, {testing::kThink, -200.f}};
  const uint64_t request = driver.start(body);
  ASSERT_TRUE(driver.run());
  const Answer& answer = driver.answers[request];
  ASSERT_TRUE(answer.done) << answer.failed->error.message;
  EXPECT_EQ(answer.done->finish_reason, FinishReason::tool_calls);
}

TEST_F(ConstrainedTest, AGrammarThatCannotBeHonouredIsRefusedByName) {
  const Answer answer = driver.answer(
      with_form(ResponseFormat::Kind::json_schema, R"({"contains":{"type":"string"}})"));
  ASSERT_TRUE(answer.failed);
  EXPECT_EQ(answer.failed->error.code, Errc::unsupported);
  EXPECT_THAT(answer.failed->error.message, HasSubstr("contains"));
  const Answer impossible = driver.answer(with_form(ResponseFormat::Kind::regex, "[]"));
  ASSERT_TRUE(impossible.failed);
  EXPECT_EQ(impossible.failed->error.code, Errc::invalid);
}

TEST_F(ConstrainedTest, LogprobsAreTheModelsOwnAndAddUp) {
  CompletionRequest body = with_form(ResponseFormat::Kind::regex, "[0-9]{4}");
  body.n_logprobs = 20;
  std::vector<TokenLogprob> logprobs;
  const uint64_t request = driver.start(body);
  ASSERT_TRUE(driver.run());
  logprobs = driver.answers[request].logprobs;
  ASSERT_EQ(logprobs.size(), 4u);
  for (const TokenLogprob& each : logprobs) {
    EXPECT_LT(each.chosen.logprob, 0);
    ASSERT_EQ(each.top.size(), 20u);
    double sum = 0;
    for (size_t i = 0; i < each.top.size(); ++i) {
      sum += std::exp(each.top[i].logprob);
      EXPECT_LE(each.top[i].logprob, each.top[i > 0 ? i - 1 : 0].logprob);
    }
    EXPECT_LT(sum, 1.0001);
    EXPECT_GE(each.top[0].logprob, each.chosen.logprob) << "the grammar does not change them";
  }
  CompletionRequest too_many = greedy("x", 1);
  too_many.n_logprobs = 21;
  EXPECT_EQ(driver.answer(too_many).failed->error.code, Errc::invalid);
}

TEST_F(ConstrainedTest, TheNewestOfALaneEndsThoseBefore) {
  CompletionRequest body = greedy("abc", 500);
  body.lane = "editor";
  const uint64_t first = driver.start(body);
  driver.settle();
  driver.engine.step();
  CompletionRequest other = body;
  other.lane = "another";
  other.max_tokens = 3;
  const uint64_t beside = driver.start(other);
  body.max_tokens = 4;
  const uint64_t second = driver.start(body);
  ASSERT_TRUE(driver.run());
  EXPECT_EQ(driver.answers[first].done->finish_reason, FinishReason::cancelled);
  EXPECT_EQ(driver.answers[second].done->finish_reason, FinishReason::length);
  EXPECT_EQ(driver.answers[beside].done->finish_reason, FinishReason::length);
}

TEST_F(ConstrainedTest, TheCacheSaysWhereAPromptLeftItsWay) {
  const std::string shared(130, 's');
  driver.answer(greedy(shared + std::string(70, 'a'), 2));
  CompletionRequest body = greedy(shared + std::string(70, 'b'), 2);
  body.explains_cache = true;
  const Answer answer = driver.answer(body);
  ASSERT_TRUE(answer.done);
  EXPECT_EQ(answer.done->usage.n_cached, 130u);
  ASSERT_TRUE(answer.done->divergence);
  EXPECT_EQ(answer.done->divergence->position, 130u);
  EXPECT_THAT(answer.done->divergence->cached, HasSubstr("aaaa"));
  EXPECT_THAT(answer.done->divergence->prompt, HasSubstr("bbbb"));
  EXPECT_FALSE(driver.answer(body).done->divergence) << "this time it went all the way";
  CompletionRequest third = greedy(shared + std::string(70, 'c'), 2);
  const auto divergence = driver.answer(third).done->divergence;
  ASSERT_TRUE(divergence);
  EXPECT_EQ(divergence->position, 130u);
  EXPECT_EQ(divergence->cached, "") << "what others wrote is told to who asks";
}

TEST_F(ConstrainedTest, AGapNeedsAModelThatWasTrainedForIt) {
  CompletionRequest body = greedy("", 4);
  body.prompt.reset();
  body.infill.emplace().prefix = "def f():\n    return ";
  const Answer answer = driver.answer(body);
  ASSERT_TRUE(answer.failed);
  EXPECT_EQ(answer.failed->error.code, Errc::unsupported);
  EXPECT_THAT(answer.failed->error.message, HasSubstr("fill in the middle"));
}

TEST_F(ConstrainedTest, AGapIsFilledByAModelWithTokensForIt) {
  testing::ModelImage image = tiny_model(512);
  auto& tokens = std::get<std::vector<std::string>>(image.keys["tokenizer.ggml.tokens"]);
  tokens[testing::kThe] = "<|fim_middle|>";
  tokens[testing::kThink] = "<|fim_prefix|>";
  tokens[testing::kUnthink] = "<|fim_suffix|>";
  image.keys["tokenizer.ggml.merges"] = std::vector<std::string>{};
  auto error = driver.load(image, {}, "coder");
  ASSERT_FALSE(error) << error->message;
  CompletionRequest body = greedy("", 9);
  body.prompt.reset();
  body.infill.emplace().prefix = std::string(3000, 'p');
  const uint64_t request = driver.start(body, "coder");
  ASSERT_TRUE(driver.run());
  const Answer& answer = driver.answers[request];
  ASSERT_TRUE(answer.done) << answer.failed->error.message;
  EXPECT_EQ(answer.text.size(), 9u);
  EXPECT_LE(answer.done->usage.n_prompt, 512u - 9u) << "what is far from the gap was left out";
}

TEST_F(ConstrainedTest, QueriesAreAnswered) {
  const auto ask = [&](Query query) {
    query.model = "tiny";
    query.request = 900 + static_cast<uint64_t>(query.kind);
    driver.engine.handle(query);
    driver.settle();
    driver.run();
    return driver.answered[query.request];
  };
  Query query;
  query.kind = Query::Kind::tokenize;
  query.texts = {"hi<|im_end|>"};
  EXPECT_EQ(ask(query).tokens, (std::vector<Token>{'h', 'i', testing::kEnd}));
  query.kind = Query::Kind::detokenize;
  query.tokens = {'h', 'i'};
  EXPECT_EQ(ask(query).text, "hi");
  query.kind = Query::Kind::render;
  query.body.messages = {text_message(Role::user, "hello")};
  EXPECT_THAT(ask(query).text, HasSubstr("<|im_start|>user\nhello<|im_end|>"));
  query.kind = Query::Kind::embed;
  query.tokens.clear();
  ask(query);
  EXPECT_THAT(driver.answers[900 + static_cast<uint64_t>(Query::Kind::embed)].failed->error.message,
              HasSubstr("not for embeddings"));
}

TEST_F(ConstrainedTest, QueriesWhoseAnswerWouldBeTooLongAreRefused) {
  const auto refusal_of = [&](Query query) {
    query.model = "tiny";
    query.request = 900;
    driver.engine.handle(query);
    driver.settle();
    EXPECT_FALSE(driver.answered.contains(900));
    return driver.answers[900].failed.value_or(Failed{}).error.message;
  };
  Query query;
  query.kind = Query::Kind::detokenize;
  query.tokens.assign(kMaxAnswerBytes / 3 + 1, testing::kThe);
  EXPECT_THAT(refusal_of(query), HasSubstr("tokens: the answer would have 16777218 bytes"));
  query.kind = Query::Kind::render;
  query.tokens.clear();
  query.body.messages = {text_message(Role::user, std::string(kMaxAnswerBytes, 'x'))};
  EXPECT_THAT(refusal_of(query), HasSubstr("messages: the answer would have"));
}

TEST(EmbeddingQuery, GivesTheReferencesVector) {
  for (const char* name : {"bert", "qwen3-embed"}) {
    EngineDriver driver;
    ModelSettings exact;
    exact.kv_type = KvType::f32;
    driver.engine.handle(
        Load{name, testing::data_path(std::string("models/") + name + ".gguf"), exact});
    driver.settle();
    ASSERT_TRUE(driver.facts.contains(name)) << name;
    const testing::Golden golden = testing::golden_embedding(name);
    Query query;
    query.request = 1;
    query.model = name;
    query.kind = Query::Kind::embed;
    query.tokens = golden.tokens;
    driver.engine.handle(query);
    driver.settle();
    ASSERT_TRUE(driver.run());
    const auto& embeddings = driver.answered[1].embeddings;
    ASSERT_EQ(embeddings.size(), 1u) << name;
    ASSERT_EQ(embeddings[0].size(), golden.logits.size());
    for (size_t i = 0; i < golden.logits.size(); ++i)
      EXPECT_NEAR(embeddings[0][i], golden.logits[i], 2e-5) << name << i;
    EXPECT_EQ(driver.answered[1].n_tokens, golden.tokens.size());
  }
}

}  // namespace
}  // namespace hearth::engine
