#include "router/learner.h"

#include <gtest/gtest.h>

#include "classify.h"

namespace hearth::router {
namespace {

CompletionRequest conversation(std::initializer_list<std::pair<Role, std::string>> said) {
  CompletionRequest request;
  for (const auto& [role, text] : said) request.messages.push_back(text_message(role, text));
  return request;
}

TEST(Classify, ReadsTheTaskOffTheRequestsStructure) {
  CompletionRequest fill;
  fill.prompt = "int main(";
  EXPECT_EQ(classify(fill), TaskClass::completion);
  EXPECT_EQ(classify(conversation({{Role::user, "hello"}})), TaskClass::chat);
  EXPECT_EQ(classify(conversation(
                {{Role::system, "Write a commit message for the diff."}, {Role::user, "+a"}})),
            TaskClass::commit_message);
  CompletionRequest title =
      conversation({{Role::system, "Generate a title for this conversation."}, {Role::user, "hi"}});
  title.max_tokens = 30;
  EXPECT_EQ(classify(title), TaskClass::title);
  // A long system prompt is an agent's, whatever words are in it.
  EXPECT_EQ(classify(conversation({{Role::system, "You can summarize. " + std::string(5000, '.')},
                                   {Role::user, "hello"}})),
            TaskClass::chat);
  EXPECT_EQ(classify(conversation({{Role::user, "Please SUMMARIZE the file, then edit the end"}})),
            TaskClass::summary);
  CompletionRequest turn = conversation({{Role::user, "read it"}});
  turn.messages.push_back({});
  turn.messages.back().role = Role::tool;
  turn.messages.back().blocks.emplace_back().content = ToolResult{};
  EXPECT_EQ(classify(turn), TaskClass::tool_turn);
}

TEST(Classify, FindsAnInstructionWhereverItStands) {
  const std::pair<std::string, TaskClass> asked[] = {{"review this", TaskClass::review},
                                                     {"Plan the", TaskClass::plan},
                                                     {"edit the", TaskClass::edit},
                                                     {"summarise", TaskClass::summary}};
  for (const auto& [words, task] : asked)
    for (size_t n = 0; n < 30; ++n) {
      const std::string before(n, '-');
      EXPECT_EQ(classify(conversation({{Role::user, before + words}})), task) << words << n;
      EXPECT_EQ(classify(conversation({{Role::user, before + words + " one, please"}})), task);
    }
}

// Two targets, and a conversation that goes on.
class LearnerTest : public ::testing::Test {
 protected:
  LearnerTest() {
    for (const char* name : {"a", "b"}) {
      Target target;
      target.name = target.model = name;
      target.kind = TargetKind::api;
      target.provider = "anthropic";
      target.price = Price{1, 0.1, 5};
      policy.targets.push_back(std::move(target));
    }
  }

  DecisionRecord ask(CompletionRequest body, std::string session = "s") {
    RouteRequest request;
    request.facts.session = std::move(session);
    request.body = std::move(body);
    request.facts.n_prompt_estimate = 1000;
    learner.prepare(policy, request, now_ms);
    DecisionRecord record;
    record.time_ms = now_ms;
    record.facts = request.facts;
    record.states.resize(2);
    learner.foresee(policy, record.facts, record.states);
    record.decision = decide(record.facts, policy, record.states);
    record.decision.id = "dec" + std::to_string(++n_asked);
    learner.decided(policy, record);
    return record;
  }
  void answer(const DecisionRecord& record, uint32_t n_output = 100) {
    Completion completion;
    completion.usage.n_completion = n_output;
    now_ms += 2000;
    learner.ended(record, completion, now_ms);
  }

  Policy policy;
  Learner learner{[] { return 0.5; }};
  int64_t now_ms = 1'760'000'000'000;
  int n_asked = 0;
};

// A prompt that is scored has no answer.
TEST_F(LearnerTest, NothingIsForetoldOrLearnedOfAnswersWhereThereAreNone) {
  for (int i = 0; i < 5; ++i) answer(ask(conversation({{Role::user, "a"}}), ""));
  DecisionRecord scored = ask(conversation({{Role::user, "a"}}), "");
  const Decision usual = scored.decision;
  scored.facts.only_reads = true;
  scored.decision = decide(scored.facts, policy, scored.states);
  scored.decision.id = usual.id;
  const Candidate& read = scored.decision.candidates.at(0);
  EXPECT_NEAR(usual.candidates.at(0).cost_usd - read.cost_usd, 100 * 5e-6, 1e-6);
  answer(scored, 0);
  StoredDecision stored;
  stored.record = scored;
  stored.outcome.emplace();
  learner.recall(stored);
  const DecisionRecord next = ask(conversation({{Role::user, "a"}}), "");
  EXPECT_NEAR(next.states.at(0).belief.n_output->mean, 100, 1);
}

TEST_F(LearnerTest, KnowsWhereAConversationStandsAndWhatWasRead) {
  const std::string start(8000, 'x');
  const DecisionRecord first = ask(conversation({{Role::user, start}}));
  EXPECT_FALSE(first.facts.past);
  answer(first);
  now_ms += 20'000;
  const DecisionRecord second =
      ask(conversation({{Role::user, start}, {Role::assistant, "ok"}, {Role::user, "go on"}}));
  ASSERT_TRUE(second.facts.past);
  EXPECT_EQ(second.facts.past->target, first.decision.target);
  EXPECT_EQ(second.facts.past->idle_ms, 20'000);
  EXPECT_NEAR(static_cast<double>(second.facts.past->n_read), 2000, 10);
  EXPECT_NEAR(static_cast<double>(second.states[0].warm.n_tokens), 2000, 10);
  EXPECT_GT(second.states[0].warm.chance, 0.9);
  EXPECT_EQ(second.states[1].warm.n_tokens, 0u);
}

TEST_F(LearnerTest, WhoStoodInHasReadTheConversationAndIsJudged) {
  const std::string start(8000, 'x');
  DecisionRecord first = ask(conversation({{Role::user, start}}));
  ASSERT_EQ(first.decision.target, "a");
  first.stand_in = StandIn{"b", "b", "b answers: a gave no answer"};
  answer(first, 900);
  EXPECT_EQ(learner.forecast_errors().count("a"), 0u) << "its time is that of two targets";
  learner.judged(first.decision.id, 0);
  const DecisionRecord second =
      ask(conversation({{Role::user, start}, {Role::assistant, "ok"}, {Role::user, "go on"}}));
  EXPECT_EQ(second.facts.past->target, "b");
  EXPECT_EQ(second.states[0].warm.n_tokens, 0u);
  EXPECT_NEAR(static_cast<double>(second.states[1].warm.n_tokens), 2000, 10);
  EXPECT_FALSE(second.states[0].belief.quality);
  EXPECT_TRUE(second.states[1].belief.quality);
  EXPECT_NEAR(second.states[1].belief.n_output->mean, 900, 1);
}

TEST_F(LearnerTest, ACacheIsColdLongAfterItsLife) {
  const std::string start(8000, 'x');
  answer(ask(conversation({{Role::user, start}})));
  now_ms += 3'600'000;
  const DecisionRecord later =
      ask(conversation({{Role::user, start}, {Role::assistant, "ok"}, {Role::user, "go on"}}));
  EXPECT_EQ(later.states[0].warm.chance, 0);
}

TEST_F(LearnerTest, AChangedStartIsReadAnew) {
  answer(ask(conversation({{Role::user, std::string(8000, 'x')}})));
  const DecisionRecord second = ask(conversation(
      {{Role::user, std::string(8000, 'y')}, {Role::assistant, "ok"}, {Role::user, "go on"}}));
  EXPECT_EQ(second.facts.past->n_read, 0u);
}

TEST_F(LearnerTest, KnowsAConversationByItsStartWhenNobodyNamesIt) {
  answer(ask(conversation({{Role::system, "be good"}, {Role::user, "hello"}}), ""));
  const DecisionRecord second = ask(conversation({{Role::system, "be good"},
                                                  {Role::user, "hello"},
                                                  {Role::assistant, "hi"},
                                                  {Role::user, "more"}}),
                                    "");
  EXPECT_TRUE(second.facts.past);
}

TEST_F(LearnerTest, LearnsHowLongAnswersAre) {
  for (int i = 0; i < 20; ++i) answer(ask(conversation({{Role::user, "short please"}}), ""), 1500);
  const DecisionRecord next = ask(conversation({{Role::user, "short please"}}), "");
  ASSERT_TRUE(next.states[0].belief.n_output);
  EXPECT_NEAR(next.states[0].belief.n_output->mean, 1500, 100);
  EXPECT_FALSE(next.states[0].belief.quality);  // nobody judged any
}

TEST_F(LearnerTest, ThePolicysWordOnSpeedStandsUntilATargetHasAnswered) {
  policy.targets[1].ttft_ms = 200;
  policy.targets[1].tokens_per_s = 400;
  policy.targets[1].price = Price{10, 1, 50};
  for (int i = 0; i < 5; ++i) answer(ask(conversation({{Role::user, "go"}}), std::to_string(i)));
  const DecisionRecord record = ask(conversation({{Role::user, "go"}}), "another");
  EXPECT_NEAR(record.decision.candidates[0].latency_ms, 2000, 100) << "as it took";
  EXPECT_LT(record.decision.candidates[1].latency_ms, 1500) << "as stated, not as the other took";
  policy.targets[0].price = Price{100, 10, 500};
  for (int i = 0; i < 5; ++i)
    answer(ask(conversation({{Role::user, "go"}}), "b" + std::to_string(i)));
  const DecisionRecord later = ask(conversation({{Role::user, "go"}}), "later");
  EXPECT_NEAR(later.decision.candidates[1].latency_ms, 2000, 100) << "as it took";
}

TEST_F(LearnerTest, TheSamePromptAgainTellsThatTheAnswerWasNotWanted) {
  const CompletionRequest body = conversation({{Role::system, "be good"}, {Role::user, "hello"}});
  for (int i = 0; i < 6; ++i) answer(ask(body));
  const DecisionRecord next = ask(body);
  EXPECT_GE(next.facts.past->n_failed, 2u);
  ASSERT_TRUE(next.states[0].belief.quality);
  EXPECT_LT(next.states[0].belief.quality->mean, 0.45);
  EXPECT_GT(learner.forecast_errors().at("a").n_judged, 0);
}

TEST_F(LearnerTest, OneBrokenCallDoesNotSinkATarget) {
  policy.targets[0].quality = policy.targets[1].quality = 0.9;
  const DecisionRecord record = ask(conversation({{Role::user, "call it"}}), "");
  Completion broken;
  ToolCall call;
  call.arguments = "{\"path\": ";
  broken.message.blocks.emplace_back().content = std::move(call);
  learner.ended(record, broken, now_ms);
  const DecisionRecord next = ask(conversation({{Role::user, "call it"}}), "");
  ASSERT_TRUE(next.states[0].belief.quality);
  EXPECT_LT(next.states[0].belief.quality->mean, 0.9);
  EXPECT_GT(next.states[0].belief.quality->mean, 0.8);
}

TEST_F(LearnerTest, WhereAnswersAreJudgedThePolicysWordOnOthersMayBeWrong) {
  policy.explore.classes = {"chat"};
  policy.value.success_usd = 1;
  policy.targets[1].quality = 0.9;
  auto belief_of_other = [&] {
    return ask(conversation({{Role::user, "call it"}}), "").states[1].belief.quality;
  };
  EXPECT_FALSE(belief_of_other()) << "nobody judges, so that nothing would be learned";
  policy.explore.classes.clear();
  const DecisionRecord record = ask(conversation({{Role::user, "call it"}}), "");
  ASSERT_EQ(record.decision.target, "b");
  policy.targets[0].quality = 0.9;
  learner.judged(record.decision.id, 1);
  policy.explore.classes = {"chat"};
  const auto other = ask(conversation({{Role::user, "call it"}}), "").states[0].belief.quality;
  ASSERT_TRUE(other);
  EXPECT_DOUBLE_EQ(other->mean, 0.9);
  EXPECT_NEAR(other->sd, 0.067, 0.001) << "as of twenty verdicts";
}

TEST_F(LearnerTest, TriesOthersOnlyInClassesThatThePolicyNames) {
  EXPECT_FALSE(ask(conversation({{Role::user, "hello"}}), "").facts.exploration);
  policy.explore.classes = {"chat"};
  EXPECT_TRUE(ask(conversation({{Role::user, "hello"}}), "").facts.exploration);
}

}  // namespace
}  // namespace hearth::router
