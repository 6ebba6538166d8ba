// The router with a real engine client (its child is scripted) and the real remote provider (its
// upstream is scripted): who is asked, what is recorded, what never leaves.
#include "router/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "daemon/session/loop.h"
#include "router/policy_file.h"
#include "router/providers.h"
#include "router/recorded.h"
#include "support/environment.h"
#include "support/json.h"
#include "support/mock_provider.h"

namespace hearth::router {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MockProvider;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Every request as the log hears of it.
struct RecordedLog : DecisionLog {
  void decided(const DecisionRecord& record) override { records.push_back(record); }
  void ended(const DecisionRecord& record, const Answer& answer) override {
    ends.emplace_back(record.decision.id,
                      answer ? "ok" : std::string(enum_name(answer.error().code)));
  }
  std::vector<DecisionRecord> records;
  std::vector<std::pair<std::string, std::string>> ends;  // decision, outcome
};

class RouterTest : public ::testing::Test {
 protected:
  RouterTest() {
    Target here;
    here.name = "local";
    here.model = "tiny";
    here.quality = 0.3;
    Target there;
    there.name = "remote";
    there.kind = TargetKind::api;
    there.provider = "acme";
    there.model = "acme-1";
    there.base_url = upstream.url();
    there.trust = Trust::retained;
    there.price = Price{1, 1, 4};
    there.quality = 0.9;
    policy.targets = {here, there};
    policy.labels = {{"secret", {"**/.env", "tool:vault"}, Trust::local}};
    request.facts.id = "r1";
    request.body.messages = {text_message(Role::user, "Hi")};
  }
  ~RouterTest() override {
    engine.stop();
    loop.run(engine.join());
  }

  Answer complete() {
    deltas.clear();
    decisions.clear();
    DeltaSink sink = [this](const StreamDelta& delta) { deltas.push_back(delta); };
    auto on_decision = [this](const Decision& decision) { decisions.push_back(decision); };
    return loop.run(router.complete(request, sink, on_decision));
  }

  static Task<> forget(Task<Answer> task) { (void)co_await std::move(task); }

  void prefer_remote() { policy.tasks[TaskClass::chat].min_quality = 0.5; }
  bool is_engine_running() const { return engine.pid() >= 0; }

  static engine::EngineClient::Options options() {
    engine::EngineClient::Options made;
    made.executable = HEARTH_SCRIPTED_ENGINE;
    made.log_path = "/dev/null";
    made.backoff = std::chrono::milliseconds(1);
    return made;
  }

  hearth::test::Loop loop;
  MockProvider upstream;
  engine::EngineClient engine{loop.executor(), options()};
  std::unique_ptr<Provider> local =
      make_engine_provider(engine, [](const std::string& model) -> Result<engine::ModelSpec> {
        if (model == "absent") return Error{Errc::not_found, "absent: not pulled"};
        engine::ModelSpec spec;
        spec.model = model;
        spec.path = model + ".gguf";
        return spec;
      });
  std::unique_ptr<Provider> remote =
      make_remote_provider(loop.executor(), [this](const Egress& each) { egress.push_back(each); });
  std::vector<Egress> egress;
  RecordedLog log;
  Policy policy;
  RouteRequest request;
  std::vector<Decision> decisions;
  std::vector<StreamDelta> deltas;
  Router router{{[this](TargetKind kind) -> Provider& {
                   return kind == TargetKind::engine ? *local : *remote;
                 },
                 [this] { return std::make_shared<const Policy>(policy); }, log}};
};

TEST_F(RouterTest, TheEngineAnswersWhenItIsCheapest) {
  auto completion = complete();
  ASSERT_TRUE(completion) << completion.error().message;
  EXPECT_EQ(text_of(completion->message), "tiny answers");
  ASSERT_THAT(decisions, SizeIs(1));
  EXPECT_THAT(decisions[0].id, StartsWith("dec-"));
  EXPECT_EQ(decisions[0].target, "local");
  EXPECT_EQ(decisions[0].model, "tiny");
  EXPECT_THAT(decisions[0].candidates, SizeIs(2));
  EXPECT_EQ(upstream.n_connections(), 0u);
}

TEST_F(RouterTest, TheRemoteAnswersWhenTheFloorAsksForIt) {
  prefer_remote();
  upstream.add(recorded_answer());
  auto completion = complete();
  ASSERT_TRUE(completion) << completion.error().message;
  EXPECT_EQ(text_of(completion->message), "Hello, wörld");
  EXPECT_EQ(decisions.at(0).target, "remote");
  EXPECT_THAT(decisions[0].candidates[0].excluded_by.value_or(""), HasSubstr("quality"));
  EXPECT_FALSE(is_engine_running());
}

TEST_F(RouterTest, LabelledContentNeverReachesTheUpstream) {
  prefer_remote();
  upstream.add(recorded_answer());
  const Source sources[] = {{"deep/.env", {}, {}}, {"src/../.env", {}, {}}, {{}, {}, "vault"}};
  for (const Source& source : sources) {
    request.body.messages[0].blocks[0].source = source;
    auto completion = complete();
    ASSERT_FALSE(completion);
    EXPECT_EQ(completion.error().code, Errc::denied);
    EXPECT_THAT(completion.error().message, HasSubstr("label \"secret\""));
    ASSERT_THAT(decisions, SizeIs(1)) << "a refusal is recorded too";
    EXPECT_EQ(decisions[0].target, "");
    EXPECT_EQ(decisions[0].reason, completion.error().message);
  }
  EXPECT_EQ(upstream.n_connections(), 0u);
  EXPECT_THAT(upstream.requests(), IsEmpty());
}

TEST_F(RouterTest, ALabelAnywhereInTheConversationCounts) {
  prefer_remote();
  Message result;
  result.role = Role::tool;
  result.blocks.emplace_back().content = ToolResult{"c1", "API_KEY=canary", false};
  result.blocks[0].labels = {"secret"};
  request.body.messages.push_back(result);
  request.body.messages.push_back(text_message(Role::user, "and now?"));
  EXPECT_FALSE(complete());
  request.body.messages[1].blocks[0].labels.clear();
  request.facts.labels = {"secret"};  // of the request itself
  EXPECT_FALSE(complete());
  EXPECT_THAT(upstream.requests(), IsEmpty());
}

TEST_F(RouterTest, LabelledContentMayGoToTheEngine) {
  request.body.messages[0].blocks[0].labels = {"secret"};
  auto completion = complete();
  ASSERT_TRUE(completion) << completion.error().message;
  EXPECT_EQ(decisions.at(0).target, "local");
}

TEST_F(RouterTest, NamingATargetDoesNotLiftALabel) {
  request.facts.model = "remote";
  request.body.messages[0].blocks[0].labels = {"secret"};
  EXPECT_FALSE(complete());
  EXPECT_THAT(upstream.requests(), IsEmpty());
}

TEST_F(RouterTest, AnUnknownModelIsNotFoundAndRecorded) {
  request.facts.model = "gpt-9";
  auto completion = complete();
  ASSERT_FALSE(completion);
  EXPECT_EQ(completion.error().code, Errc::not_found);
  ASSERT_THAT(decisions, SizeIs(1));
  EXPECT_THAT(decisions[0].id, StartsWith("dec-"));
  EXPECT_EQ(decisions[0].target, "");
  EXPECT_THAT(decisions[0].reason, HasSubstr("gpt-9"));
}

TEST_F(RouterTest, AFailedTargetIsReportedWhenNoOtherIsLeft) {
  prefer_remote();
  upstream.add(testing::error_answer(402, "Insufficient Balance", "", ""));
  auto completion = complete();
  ASSERT_FALSE(completion);
  EXPECT_EQ(completion.error().code, Errc::over_budget);
  EXPECT_THAT(upstream.requests(), SizeIs(1)) << "no retry";
  EXPECT_FALSE(is_engine_running()) << "no other target: it is below the floor";
  EXPECT_THAT(decisions, SizeIs(1));
}

TEST_F(RouterTest, WhereOneFailsAnotherAnswers) {
  policy.targets[0].model = "broken";
  upstream.add(recorded_answer());
  auto completion = complete();
  ASSERT_TRUE(completion) << completion.error().message;
  EXPECT_EQ(text_of(completion->message), "Hello, wörld");
  EXPECT_EQ(decisions.at(0).target, "local");
  EXPECT_THAT(decisions[0].fallbacks, ::testing::ElementsAre("remote"));
}

TEST_F(RouterTest, AnEngineThatCannotLoadSaysWhy) {
  request.facts.model = "local";
  policy.targets[0].model = "broken";
  auto completion = complete();
  ASSERT_FALSE(completion);
  EXPECT_EQ(completion.error().code, Errc::corrupt);
  EXPECT_THAT(completion.error().message, HasSubstr("not a model file"));
  policy.targets[0].model = "absent";
  completion = complete();
  ASSERT_FALSE(completion);
  EXPECT_EQ(completion.error().code, Errc::not_found);
  EXPECT_EQ(upstream.n_connections(), 0u);
}

// Its failures are Hearth's own; after enough of them other targets get the requests.
TEST_F(RouterTest, AnEngineThatGaveUpIsNotChosen) {
  policy.targets[0].model = "crash";
  request.facts.model = "local";
  for (int i = 0; i < 5; ++i) {
    Answer answer = complete();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::upstream) << answer.error().message;
    EXPECT_TRUE(answer.error().is_ours());
    EXPECT_EQ(decisions.at(0).target, "local");
  }
  request.facts.model = "auto";
  upstream.add(recorded_answer());
  ASSERT_TRUE(complete());
  EXPECT_EQ(decisions.at(0).target, "remote");
  EXPECT_THAT(decisions[0].candidates[0].excluded_by.value_or(""), HasSubstr("gave up"));
}

TEST_F(RouterTest, WhatARequestNeedsIsReadFromIt) {
  policy.targets[1].has_images = true;
  request.body.messages[0].blocks.emplace_back().content = Image{"data:image/png;base64,AA==", ""};
  upstream.add(recorded_answer());
  ASSERT_TRUE(complete());
  EXPECT_EQ(decisions.at(0).target, "remote");
  request.body.messages.clear();
  request.body.prompt = "once upon";
  ASSERT_TRUE(complete());
  EXPECT_EQ(decisions.at(0).target, "local");
}

// What a target would pass over keeps the request from it, whoever else is left.
TEST_F(RouterTest, WhatATargetCannotHonourGoesElsewhereOrIsRefused) {
  policy.targets[1].has_images = true;
  request.body.messages[0].blocks.emplace_back().content = Image{"data:image/png;base64,AA==", ""};
  upstream.add(recorded_answer());
  ASSERT_TRUE(complete());
  EXPECT_EQ(decisions.at(0).target, "remote") << "the engine does not see";
  request.body.messages[0].blocks.pop_back();
  request.body.sampling.top_k = 40;
  ASSERT_TRUE(complete());
  EXPECT_EQ(decisions.at(0).target, "local") << "top_k is not on that wire";
  prefer_remote();
  Answer answer = complete();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::denied) << "one is too weak, one cannot";
  request.facts.model = "remote";
  answer = complete();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::unsupported);
  EXPECT_TRUE(answer.error().is_ours());
  EXPECT_THAT(answer.error().message, HasSubstr("remote: it cannot honour top_k"));
  EXPECT_THAT(upstream.requests(), SizeIs(1));
}

TEST_F(RouterTest, ReasoningControlsBecomeVariablesOfTheTemplate) {
  request.body.reasoning.effort = Effort::low;
  request.body.reasoning.budget_tokens = 500;
  request.body.template_variables.text = R"({"reasoning_effort":"mine","k":1})";
  policy.targets[0].model = "echo";
  auto completion = complete();
  ASSERT_TRUE(completion) << completion.error().message;
  EXPECT_EQ(text_of(completion->message),
            R"({"enable_thinking":true,"reasoning_effort":"mine","thinking_budget":500,"k":1})");
}

TEST_F(RouterTest, TheChosenEffortIsAskedOfTheEngine) {
  policy.targets[0].model = "echo";
  policy.targets[0].efforts = {{Effort::none, 0.2, {}}, {Effort::high, 0.4, {}}};
  policy.targets.resize(1);
  auto plain = complete();
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(text_of(plain->message), R"({"enable_thinking":false,"reasoning_effort":"none"})");
  policy.tasks[TaskClass::chat].min_quality = 0.3;
  auto thoughtful = complete();
  ASSERT_TRUE(thoughtful) << thoughtful.error().message;
  EXPECT_EQ(text_of(thoughtful->message), R"({"enable_thinking":true,"reasoning_effort":"high"})");
  EXPECT_EQ(decisions.at(0).effort, Effort::high);
  policy.tasks.clear();
  request.body.reasoning.enabled = false;
  auto told = complete();
  ASSERT_TRUE(told) << told.error().message;
  EXPECT_EQ(text_of(told->message), R"({"enable_thinking":false})") << "as the client says";
}

TEST_F(RouterTest, LevelsThatATemplateCannotTellApartAreNoChoice) {
  policy.targets[0].efforts = {{Effort::none, 0.2, {}}, {Effort::high, 0.9, {}}};
  policy.targets.resize(1);
  policy.value.success_usd = 1;
  ASSERT_TRUE(complete());
  EXPECT_EQ(decisions.at(0).effort, Effort::high) << "before it is loaded the policy is believed";
  ASSERT_TRUE(complete());
  EXPECT_EQ(decisions.at(0).effort, Effort::none);
  EXPECT_THAT(decisions[0].candidates.at(1).excluded_by.value_or(""), HasSubstr("no word for"));
  EXPECT_EQ(log.records.back().states.at(0).thinking, Thinking::fixed);
}

// What stands in the body of each wire and of each form of the chat wire, with and without
// thoughts.
TEST_F(RouterTest, TheChosenEffortGoesOutOnEachWire) {
  struct Golden {
    std::string provider, model;
    std::vector<std::string> with, without;
  };
  const Golden golden[] = {
      {"openai", "gpt-5.6-sol", {R"("reasoning_effort":"high")"}, {R"("reasoning_effort":"none")"}},
      {"openai-responses",
       "gpt-5.6-sol",
       {R"("reasoning":{"effort":"high")"},
       {R"("reasoning":{"effort":"none")"}},
      {"anthropic",
       "claude-sonnet-5",
       {R"("thinking":{"type":"adaptive"})", R"("output_config":{"effort":"high"})"},
       {R"("thinking":{"type":"disabled"})"}},
      {"anthropic",
       "claude-sonnet-4-5",
       {R"("thinking":{"type":"enabled","budget_tokens":16384})"},
       {R"("thinking":{"type":"disabled"})"}},
      {"gemini", "gemini-3.1-pro", {R"("thinkingLevel":"high")"}, {R"("thinkingLevel":"minimal")"}},
      {"gemini", "gemini-2.5-pro", {R"("thinkingBudget":16384)"}, {R"("thinkingBudget":0)"}},
      {"openrouter",
       "x",
       {R"("reasoning":{"enabled":true,"effort":"high"})"},
       {R"("reasoning":{"enabled":false})"}},
      {"deepseek",
       "x",
       {R"("thinking":{"type":"enabled"})"},
       {R"("thinking":{"type":"disabled"})"}},
      {"dashscope", "x", {R"("enable_thinking":true)"}, {R"("enable_thinking":false)"}},
      {"vllm",
       "x",
       {R"("chat_template_kwargs":{"enable_thinking":true,"reasoning_effort":"high"})"},
       {R"("chat_template_kwargs":{"enable_thinking":false,"reasoning_effort":"none"})"}}};
  Target there = policy.targets.at(1);
  there.efforts = {{Effort::none, 0.2, {}}, {Effort::high, 0.9, {}}};
  size_t n = 0;
  for (const Golden& each : golden) {
    there.name = "up" + std::to_string(n);
    there.provider = each.provider;
    there.model = each.model;
    policy.targets = {there};
    for (const bool thinks : {true, false}) {
      policy.value.success_usd = thinks ? 1 : 0;
      upstream.add(testing::error_answer(400, "no", "invalid_request_error", ""));
      (void)complete();
      ASSERT_THAT(upstream.requests(), SizeIs(n + 1)) << each.provider;
      for (const std::string& piece : thinks ? each.with : each.without)
        EXPECT_THAT(upstream.requests().at(n).body, HasSubstr(piece)) << each.provider;
      ++n;
    }
  }
}

TEST_F(RouterTest, AFallbackIsAskedForItsOwnEffort) {
  Target first = policy.targets.at(1), second = first;
  first.name = "first";
  first.efforts = {{Effort::low, 0.9, {}}};
  second.name = "second";
  second.model = "acme-2";
  second.price = Price{2, 2, 8};
  second.efforts = {{Effort::low, 0.1, {}}, {Effort::high, 0.8, {}}};
  policy.targets = {first, second};
  policy.value.success_usd = 1;
  upstream.add(
      testing::error_answer(404, "no such model", "invalid_request_error", "model_not_found"));
  upstream.add(recorded_answer());
  auto completion = complete();
  ASSERT_TRUE(completion) << completion.error().message;
  EXPECT_THAT(upstream.requests().at(0).body, HasSubstr(R"("reasoning_effort":"low")"));
  EXPECT_THAT(upstream.requests().at(1).body, HasSubstr(R"("reasoning_effort":"high")"));
  EXPECT_EQ(decisions.back().target, "second");
  EXPECT_EQ(decisions.back().effort, Effort::high);
}

// Stated by a list, by one word or by the class: Anthropic would refuse it.
TEST_F(RouterTest, NoThoughtsAreAskedForBesideWhatForbidsThem) {
  Target claude = policy.targets.at(1);
  claude.provider = "anthropic";
  claude.model = "claude-sonnet-5";
  request.body.sampling.temperature = 0.2f;
  auto refusal = [&] {
    auto completion = complete();
    return completion ? "" : completion.error().message;
  };
  const auto forbids = HasSubstr("it does not think beside temperature");
  policy.targets = {claude};
  policy.targets[0].efforts = {{Effort::low, {}, {}}, {Effort::high, {}, {}}};
  EXPECT_THAT(refusal(), forbids);
  policy.targets = {claude};
  policy.targets[0].effort = Effort::high;
  EXPECT_THAT(refusal(), forbids);
  policy.targets = {claude};
  policy.tasks[TaskClass::chat].effort = Effort::high;
  EXPECT_THAT(refusal(), forbids);
  EXPECT_THAT(upstream.requests(), IsEmpty());

  policy.tasks.clear();
  policy.targets[0].efforts = {{Effort::none, {}, {}}, {Effort::high, {}, {}}};
  policy.value.success_usd = 100;
  upstream.add(testing::error_answer(402, "Insufficient Balance", "", ""));
  EXPECT_FALSE(complete());
  EXPECT_EQ(decisions.at(0).effort, Effort::none);
}

TEST_F(RouterTest, AnAnswerToTokenIdsMayBeOfAnythingThatIsLabelled) {
  request.body.messages.clear();
  request.body.prompt = "";
  request.body.prompt_tokens = {5, 6, 7};
  auto completion = complete();
  ASSERT_TRUE(completion) << completion.error().message;
  EXPECT_EQ(decisions.at(0).target, "local");
  EXPECT_THAT(decisions.at(0).labels, ::testing::ElementsAre("secret"));
  EXPECT_THAT(completion->message.blocks.at(0).labels, ::testing::ElementsAre("secret"));
  policy.labels.clear();
  completion = complete();
  ASSERT_TRUE(completion);
  EXPECT_THAT(decisions.at(0).labels, IsEmpty()) << "there is nothing to keep";
}

// ---- the record ----

TEST_F(RouterTest, EveryRequestLeavesARecordAndAnEnd) {
  ASSERT_TRUE(complete());
  request.facts.model = "gpt-9";
  ASSERT_FALSE(complete());
  request.facts.model = "remote";
  request.body.messages[0].blocks[0].labels = {"secret"};
  ASSERT_FALSE(complete());
  ASSERT_THAT(log.records, SizeIs(3));
  ASSERT_THAT(log.ends, SizeIs(3));
  const char* outcomes[] = {"ok", "not_found", "denied"};
  for (size_t i = 0; i < 3; ++i) {
    const DecisionRecord& record = log.records[i];
    EXPECT_EQ(log.ends[i], std::pair(record.decision.id, std::string(outcomes[i])));
    EXPECT_EQ(record.facts.id, "r1");
    EXPECT_EQ(record.policy_hash, policy_hash(policy));
    EXPECT_THAT(record.states, SizeIs(2));
    EXPECT_GT(record.time_ms, 0);
    Decision again = decide(record.facts, policy, record.states);
    again.id = record.decision.id;
    EXPECT_EQ(json::encode(again), json::encode(record.decision)) << "replayed";
  }
  EXPECT_NE(log.ends[0].first, log.ends[1].first);
}

TEST_F(RouterTest, AWithdrawnRequestEndsAsCancelled) {
  prefer_remote();
  testing::Script script = recorded_answer();
  script.steps.insert(script.steps.begin() + 3, testing::Stall{});
  upstream.add(script);
  net::cancellation_signal withdraw;
  DeltaSink sink = [&](const StreamDelta&) {
    net::post(loop.executor(), [&] { withdraw.emit(net::cancellation_type::terminal); });
  };
  Task<> asking = forget(router.complete(request, std::move(sink), {}));
  net::co_spawn(loop.executor(), std::move(asking),
                net::bind_cancellation_slot(withdraw.slot(), [](std::exception_ptr) {}));
  loop.run_until([this] { return !log.ends.empty(); });
  EXPECT_TRUE(upstream.wait_for_client_to_leave());
  ASSERT_THAT(log.ends, SizeIs(1));
  EXPECT_EQ(log.ends[0].second, "cancelled");
}

TEST_F(RouterTest, WhatLeavesNamesItsRequest) {
  prefer_remote();
  upstream.add(recorded_answer());
  ASSERT_TRUE(complete());
  ASSERT_THAT(egress, SizeIs(1));
  EXPECT_EQ(egress[0].cause, "r1");
}

TEST(EstimateTokens, CountsEveryPartThatIsSent) {
  CompletionRequest request;
  EXPECT_EQ(estimate_tokens(request), 1u);
  request.messages = {text_message(Role::user, std::string(400, 'a'))};
  uint64_t text = estimate_tokens(request);
  EXPECT_EQ(text, 103u);
  request.messages[0].blocks.emplace_back().content = ToolCall{"c", "run", std::string(400, 'a')};
  request.messages[0].blocks.emplace_back().content = ToolResult{"c", std::string(400, 'a'), false};
  request.messages[0].blocks.emplace_back().content = Reasoning{std::string(400, 'a'), {}};
  request.tools = {{"run", std::string(200, 'a'), {std::string(197, 'a')}, ""}};
  EXPECT_EQ(estimate_tokens(request), text + 401);
}

}  // namespace
}  // namespace hearth::router
