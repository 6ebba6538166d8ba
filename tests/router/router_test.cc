// The router with a real engine client (its child is scripted) and the real remote provider (its
// upstream is scripted): who is asked, what is recorded, what never leaves.
#include "router/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/session/loop.h"
#include "router/environment.h"
#include "router/providers.h"
#include "router/recorded.h"
#include "support/mock_provider.h"

namespace hearth::router {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MockProvider;
using ::testing::SizeIs;

class RouterTest : public ::testing::Test {
 protected:
  RouterTest() {
    Target local;
    local.name = "local";
    local.model = "tiny";
    local.quality = 0.3;
    Target remote;
    remote.name = "remote";
    remote.kind = TargetKind::api;
    remote.provider = "acme";
    remote.model = "acme-1";
    remote.base_url = upstream.url();
    remote.trust = Trust::retained;
    remote.price = {1, 1, 4};
    remote.quality = 0.9;
    policy.targets = {local, remote};
    policy.labels = {{"secret", {"**/.env", "tool:vault"}, Trust::local}};
    request.facts.id = "r1";
    request.body.messages = {text_message(Role::user, "Hi")};
  }
  ~RouterTest() override {
    engine.stop();
    loop.run(engine.join());
  }

  Result<Completion> complete() {
    deltas.clear();
    decisions.clear();
    Router::Services services{engine, *provider,
                              [this] { return std::make_shared<const Policy>(policy); },
                              [](const std::string& model) -> Result<engine::ModelSpec> {
                                if (model == "absent")
                                  return Error{Errc::not_found, "absent: not pulled"};
                                engine::ModelSpec spec;
                                spec.model = model;
                                spec.path = model + ".gguf";
                                return spec;
                              }};
    Router router(std::move(services));
    DeltaSink sink = [this](const StreamDelta& delta) { deltas.push_back(delta); };
    auto on_decision = [this](const Decision& decision) { decisions.push_back(decision); };
    return loop.run(router.complete(request, sink, on_decision, nullptr));
  }

  void prefer_remote() { policy.tasks[TaskClass::chat].min_quality = 0.5; }
  bool is_engine_running() const { return engine.pid() >= 0; }

  static engine::EngineClient::Options options() {
    engine::EngineClient::Options made;
    made.executable = HEARTH_SCRIPTED_ENGINE;
    made.log_path = "/dev/null";
    return made;
  }

  test::Variable no_proxy{"no_proxy", "127.0.0.1"};
  hearth::test::Loop loop;
  MockProvider upstream;
  engine::EngineClient engine{loop.executor(), options()};
  std::unique_ptr<Provider> provider = make_remote_provider(loop.executor());
  Policy policy;
  RouteRequest request;
  std::vector<Decision> decisions;
  std::vector<StreamDelta> deltas;
};

TEST_F(RouterTest, TheEngineAnswersWhenItIsCheapest) {
  auto completion = complete();
  ASSERT_TRUE(completion) << completion.error().message;
  EXPECT_EQ(text_of(completion->message), "tiny answers");
  ASSERT_THAT(decisions, SizeIs(1));
  EXPECT_EQ(decisions[0].id, "r1");
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
  EXPECT_EQ(decisions[0].id, "r1");
  EXPECT_EQ(decisions[0].target, "");
  EXPECT_THAT(decisions[0].reason, HasSubstr("gpt-9"));
}

TEST_F(RouterTest, AFailedTargetIsReportedAndNoOtherIsAsked) {
  prefer_remote();
  upstream.add(testing::error_answer(503, "Overloaded", "server_error", ""));
  auto completion = complete();
  ASSERT_FALSE(completion);
  EXPECT_EQ(completion.error().code, Errc::busy);
  EXPECT_THAT(upstream.requests(), SizeIs(1)) << "no retry";
  EXPECT_FALSE(is_engine_running()) << "no other target: it is below the floor";
  EXPECT_THAT(decisions, SizeIs(1));
}

TEST_F(RouterTest, AnEngineThatCannotLoadSaysWhy) {
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

TEST_F(RouterTest, WhatARequestNeedsIsReadFromIt) {
  policy.targets[0].has_images = false;
  policy.targets[1].has_images = true;
  policy.targets[1].has_bare_prompt = false;
  request.body.messages[0].blocks.emplace_back().content = Image{"data:image/png;base64,AA==", ""};
  upstream.add(recorded_answer());
  ASSERT_TRUE(complete());
  EXPECT_EQ(decisions.at(0).target, "remote");
  request.body.messages.clear();
  request.body.prompt = "once upon";
  ASSERT_TRUE(complete());
  EXPECT_EQ(decisions.at(0).target, "local");
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
  request.tools = {{"run", std::string(200, 'a'), {std::string(197, 'a')}}};
  EXPECT_EQ(estimate_tokens(request), text + 400);
}

}  // namespace
}  // namespace hearth::router
