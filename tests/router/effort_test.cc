// Effort is chosen like a target is: each level that a target lists is a candidate with figures of
// its own, of one account, one breaker, one cache.
#include "router/effort.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "router/explain.h"
#include "router/learner.h"
#include "router/policy_file.h"
#include "router/replay.h"
#include "router/simulation.h"
#include "support/json.h"

namespace hearth::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Policy policy(std::string_view text) {
  auto parsed = parse_policy(text, "policy.toml");
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? *parsed : Policy{};
}

// A cheap model that thinks as hard as it is told, and a dear one. Of a provider whose cache does
// not mind (deepseek's does not, but it tells no levels: any other compatible one).
constexpr std::string_view kTwo = R"(
  [value]
  success_usd = 0.02
  [target.own]
  kind = "api:groq"
  model = "o"
  efforts = ["low", { effort = "high", quality = 0.8, output_tokens = 2000 }]
  quality = 0.7
  price = { input = 1, cached = 0.1, output = 4 }
  [target.dear]
  kind = "api:xai"
  model = "d"
  quality = 0.8
  price = { input = 5, cached = 0.5, output = 20 }
)";

RequestFacts facts(uint64_t n_prompt = 2000) {
  RequestFacts made;
  made.n_prompt_estimate = n_prompt;
  return made;
}

Decision decided(const RequestFacts& request, const Policy& by,
                 std::vector<TargetState> states = {}) {
  states.resize(by.targets.size());
  return decide(request, by, states);
}

std::vector<std::string> names(const Decision& decision) {
  std::vector<std::string> out;
  for (const Candidate& each : decision.candidates)
    out.push_back(level_name(each.target, each.effort));
  return out;
}

// ---- the policy ----

TEST(Efforts, AreReadSortedAndPrintedAsTheyAre) {
  const Policy read = policy(kTwo);
  ASSERT_EQ(read.targets.at(0).efforts.size(), 2u);
  EXPECT_EQ(read.targets[0].efforts[0].effort, Effort::low);
  EXPECT_EQ(read.targets[0].efforts[1].quality, 0.8);
  EXPECT_EQ(read.targets[0].efforts[1].n_output, 2000u);
  const std::string printed = print_policy(read);
  EXPECT_EQ(print_policy(policy(printed)), printed);
  EXPECT_EQ(policy_hash(policy(printed)), policy_hash(read));
  const Policy plain = policy("[target.x]\nkind = \"engine\"\nefforts = [\"high\", \"none\"]\n");
  EXPECT_THAT(print_policy(plain), HasSubstr("efforts = [ \"none\", \"high\" ]"));
}

TEST(Efforts, WhatCannotBeMeantIsRefusedWithItsPlace) {
  const std::string start = "[target.x]\nkind = \"api:groq\"\nmodel = \"m\"\nfree = true\n";
  auto wrong = [&](std::string_view line, std::string_view kind = "") {
    std::string text = start;
    if (!kind.empty()) text.replace(text.find("api:groq"), 8, kind);
    auto parsed = parse_policy(text + std::string(line), "p.toml");
    return parsed ? "" : parsed.error().message;
  };
  EXPECT_EQ(wrong("efforts = [\"low\", \"high\"]"), "");
  EXPECT_THAT(wrong("efforts = [\"much\"]"),
              HasSubstr("p.toml:5: target.x.efforts: expected none"));
  EXPECT_THAT(wrong("efforts = [\"low\", \"low\"]"), HasSubstr("each effort once"));
  EXPECT_THAT(wrong("effort = \"low\"\nefforts = [\"high\"]"), HasSubstr("none beside efforts"));
  EXPECT_THAT(wrong("efforts = [{ quality = 0.5 }]"), HasSubstr("the effort that this is of"));
  EXPECT_THAT(wrong("efforts = [\"low\", \"high\"]", "api:deepseek"),
              HasSubstr("one of \"low\" and \"high\": in the words of deepseek they are the same"));
  EXPECT_EQ(wrong("efforts = [\"none\", \"high\"]", "api:deepseek"), "");
}

TEST(Efforts, ThoseThatTheWireCannotTellApartAreRefused) {
  auto wrong = [](std::string_view kind, std::string_view model, std::string_view efforts) {
    auto parsed = parse_policy(fmt::format("[target.x]\nkind = \"api:{}\"\nmodel = \"{}\"\n"
                                           "free = true\nefforts = [{}]\n",
                                           kind, model, efforts),
                               "p.toml");
    return parsed ? "" : parsed.error().message;
  };
  const std::string minimal = "\"minimal\" and \"low\"", most = "\"xhigh\" and \"max\"";
  constexpr std::string_view kAll = "'minimal', 'low', 'medium', 'high', 'xhigh', 'max'";
  EXPECT_THAT(wrong("anthropic", "claude-sonnet-5", "'minimal', 'low'"), HasSubstr(minimal));
  EXPECT_EQ(wrong("anthropic", "claude-sonnet-5", "'none', 'low', 'medium', 'high', 'max'"), "");
  EXPECT_THAT(wrong("anthropic", "claude-opus-4-5", "'minimal', 'low', 'xhigh', 'max'"),
              HasSubstr(most))
      << "told in budgets";
  EXPECT_THAT(wrong("gemini", "gemini-3-pro", "'high', 'xhigh'"), HasSubstr("\"high\""));
  EXPECT_EQ(wrong("openai", "gpt-x", kAll), "");
}

// ---- the candidates ----

TEST(Efforts, EachIsACandidateWithItsOwnForecast) {
  const Decision decision = decided(facts(), policy(kTwo));
  EXPECT_THAT(names(decision), ElementsAre("own at low", "own at high", "dear"));
  const Candidate& low = decision.candidates[0];
  const Candidate& high = decision.candidates[1];
  EXPECT_LT(low.quality, 0.7) << "what is stated is that of a middling effort";
  EXPECT_EQ(high.quality, 0.8);
  EXPECT_NEAR(high.cost_usd - low.cost_usd, 4e-6 * (2000 - 600), 1e-9);
  EXPECT_GT(high.latency_ms, low.latency_ms);
  EXPECT_EQ(decision.effort, decision.candidates[0].effort);
}

TEST(Efforts, AreRaisedWhereARightAnswerIsWorthIt) {
  Policy two = policy(kTwo);
  EXPECT_EQ(decided(facts(), two).effort, Effort::low);
  two.value.success_usd = 0;
  EXPECT_EQ(decided(facts(), two).effort, Effort::low) << "the cheapest, where nothing is worth";
  two.value.success_usd = 0.2;
  const Decision hard = decided(facts(), two);
  EXPECT_EQ(hard.target, "own");
  EXPECT_EQ(hard.effort, Effort::high);
  EXPECT_THAT(hard.reason, HasSubstr("own at high is worth most of 3 targets and efforts"));
  two.value.success_usd = 0;
  two.tasks[TaskClass::chat].min_quality = 0.75;
  EXPECT_EQ(decided(facts(), two).effort, Effort::high) << "a floor raises it too";
  two.tasks[TaskClass::chat].min_quality = 0.7;
  two.tasks[TaskClass::chat].deadline_ms = 20'000;
  const Decision quick = decided(facts(), two);
  EXPECT_EQ(quick.target, "dear") << "no time for many thoughts: " << quick.reason;
}

TEST(Efforts, AClientsOwnIsObeyed) {
  const Policy two = policy(kTwo);
  RequestFacts asked = facts();
  asked.effort = Effort::max;
  const Decision decision = decided(asked, two);
  EXPECT_THAT(names(decision), ElementsAre("own at max", "dear at max"));
  ReasoningControls controls;
  EXPECT_EQ(asked_effort(controls), std::nullopt);
  controls.enabled = true;
  EXPECT_EQ(asked_effort(controls), Effort::medium);
  controls.enabled = false;
  EXPECT_EQ(asked_effort(controls), Effort::none);
  controls = {};
  controls.budget_tokens = 2000;
  EXPECT_EQ(asked_effort(controls), Effort::low);
}

TEST(Efforts, WhereAllAreForbiddenTheRequestIsUnsupportedNotDenied) {
  Policy two = policy(kTwo);
  two.targets.erase(two.targets.begin());
  two.targets[0].efforts = {{Effort::high, {}, {}}};
  std::vector<TargetState> states(1);
  states[0].efforts.resize(1);
  states[0].efforts[0].effort = Effort::high;
  states[0].efforts[0].down = "it does not think beside a temperature";
  const Decision decision = decided(facts(), two, states);
  EXPECT_EQ(decision.target, "");
  EXPECT_EQ(decision.refused_as, Errc::unsupported);
}

TEST(Efforts, AClassPinsOne) {
  Policy two = policy(kTwo);
  two.tasks[TaskClass::plan].effort = Effort::high;
  RequestFacts plan = facts();
  plan.task = TaskClass::plan;
  EXPECT_THAT(names(decided(plan, two)), ElementsAre("own at high", "dear at high"));
  two.targets[1].effort = Effort::low;
  EXPECT_THAT(names(decided(plan, two)), ElementsAre("own at high", "dear at low"))
      << "a target's own single word stays";
}

TEST(Efforts, WhatExcludesATargetExcludesAllOfThemAndIsSaidOnce) {
  Policy two = policy(kTwo);
  std::vector<TargetState> states(2);
  states[0].down = states[1].down = "it is down";
  const Decision decision = decided(facts(), two, states);
  EXPECT_EQ(decision.refused_as, Errc::busy);
  EXPECT_EQ(decision.reason, "no target is left: own: it is down; dear: it is down");
}

TEST(Efforts, OfAModelThatKnowsOnAndOffOneOfEachIsLeft) {
  Policy two = policy(kTwo);
  two.targets[0].efforts = {{Effort::none, {}, {}}, {Effort::low, {}, {}}, {Effort::high, 0.9, {}}};
  two.value.success_usd = 10;
  std::vector<TargetState> states(2);
  states[0].thinking = Thinking::switched;
  make_levels(facts(), two, two.targets[0], states[0]);
  const Decision decision = decided(facts(), two, states);
  EXPECT_FALSE(decision.candidates[0].excluded_by);
  EXPECT_FALSE(decision.candidates[1].excluded_by);
  EXPECT_THAT(decision.candidates[2].excluded_by.value_or(""), HasSubstr("on and off"));
}

TEST(Efforts, AnotherEffortIsNoFallback) {
  const Decision decision = decided(facts(), policy(kTwo));
  EXPECT_THAT(decision.fallbacks, ElementsAre("dear"));
  EXPECT_EQ(effort_at(decision, "own"), decision.effort);
  std::vector<TargetState> states(2);
  Policy dear_first = policy(kTwo);
  dear_first.targets[1].quality = 1;
  dear_first.value.success_usd = 1;
  const Decision other = decided(facts(), dear_first, states);
  EXPECT_EQ(other.target, "dear");
  EXPECT_THAT(other.fallbacks, ElementsAre("own"));
  EXPECT_EQ(effort_at(other, "own"), Effort::high) << "the best of those that would answer";
}

// ---- effort before model ----

class EffortBeforeModel : public ::testing::Test {
 protected:
  EffortBeforeModel() {
    request = facts(100'000);
    request.n_to_come = 3;
    request.past =
        Past{.target = "own", .effort = Effort::low, .n_read = 98'000, .n_turns = 5, .n_held = 5};
    states.resize(2);
    const Warmth warm{.n_tokens = 98'000, .chance = 1, .later = 1};
    states[0].warm = warm;
    states[0].efforts = {{Effort::low, {}, {}, warm, 0}, {Effort::high, {}, {}, warm, 0}};
    states[1].warm.later = 1;
    two.value.success_usd = 1;
  }
  Decision now() const { return decide(request, two, states); }
  // The same answer is as likely right at the dear one as with more thoughts, for the same price.
  void make_equal() {
    two.targets[1].price = two.targets[0].price;
    two.targets[1].quality = 0.8;
    two.targets[1].efforts = {{Effort::high, 0.8, 2000}};
  }
  Policy two = policy(kTwo);
  RequestFacts request;
  std::vector<TargetState> states;
};

TEST_F(EffortBeforeModel, RaisesItWhereTheCacheIsWarm) {
  const Decision decision = now();
  EXPECT_EQ(decision.target, "own");
  EXPECT_EQ(decision.effort, Effort::high);
  EXPECT_FALSE(decision.is_held);
  states[0].efforts[1].warm.n_tokens = 0;
  states[0].efforts[0].warm.n_tokens = 0;
  EXPECT_EQ(now().effort, Effort::high) << "cold at all levels";
}

TEST_F(EffortBeforeModel, OfEqualGainsTheEffortIsChangedFirst) {
  make_equal();
  std::swap(two.targets[0], two.targets[1]);  // nor is it the order of the policy
  std::swap(states[0], states[1]);
  states[1].warm = states[0].warm = {};
  for (EffortState& level : states[1].efforts) level.warm = {};
  const Decision decision = now();
  EXPECT_EQ(decision.target, "own");
  EXPECT_EQ(decision.effort, Effort::high);
}

TEST_F(EffortBeforeModel, NeitherMarginNorHoldKeepAnEffort) {
  two.switching = {.margin_usd = 100, .hold_turns = 50, .max_spend_pct = 0};
  request.past->n_held = 1;
  EXPECT_EQ(now().effort, Effort::high);
  request.past->effort = Effort::high;
  two.value.success_usd = 0.001;
  EXPECT_EQ(now().effort, Effort::low);
  two.value.success_usd = 1;
  two.targets[1].quality = 0.99;
  const Decision held = now();
  EXPECT_EQ(held.target, "own") << "another model waits";
  EXPECT_EQ(held.effort, Effort::high) << "at the level that is best here";
  EXPECT_TRUE(held.is_held);
  EXPECT_THAT(held.reason, HasSubstr("own at high stays"));
}

TEST_F(EffortBeforeModel, ACacheThatDoesNotOutliveTheChangeIsPriced) {
  states[0].efforts[1].warm.n_tokens = 0;  // as with providers that write the effort into the head
  two.value.success_usd = 0.15;
  EXPECT_EQ(now().effort, Effort::low);
  two.value.success_usd = 1;
  request.n_to_come = 20;
  EXPECT_EQ(now().effort, Effort::high) << "enough requests follow";
}

TEST_F(EffortBeforeModel, ThoughtsAreNotSwitchedWhileCallsAreBeingAnswered) {
  two.targets[0].efforts = {
      {Effort::none, 0.5, {}}, {Effort::low, {}, {}}, {Effort::high, 0.8, {}}};
  states[0].efforts.insert(states[0].efforts.begin(), {Effort::none, {}, {}, states[0].warm, 0});
  request.past->effort = Effort::none;
  request.past->is_tool_round = true;
  const Decision bound = now();
  EXPECT_EQ(bound.effort, Effort::none);
  EXPECT_THAT(bound.reason, HasSubstr("own at none stays: thoughts are not switched"));
  request.model = "own";
  EXPECT_EQ(now().effort, Effort::none) << "nor where the client names the model";
  request.model = "auto";
  request.past->effort = Effort::low;
  EXPECT_EQ(now().effort, Effort::high) << "from some to more";
  request.past->effort = Effort::none;
  request.past->is_tool_round = false;
  EXPECT_EQ(now().effort, Effort::high);
}

// ---- learning ----

// Hard requests need thoughts: 0.9 right at high and 0.2 at low; easy ones are right anyhow.
class EffortLearner : public ::testing::Test {
 protected:
  EffortLearner() { two.explore.classes.clear(); }

  DecisionRecord ask(bool is_hard, std::string session) {
    RouteRequest request;
    request.facts.session = std::move(session);
    request.facts.task = is_hard ? TaskClass::plan : TaskClass::title;
    request.facts.n_prompt_estimate = 3000;
    request.body.messages = {
        text_message(Role::system, std::string(4000, 's')),
        text_message(Role::user, is_hard ? "prove the hard theorem" : "name the easy thing")};
    for (int i = 0; i < n_turns; ++i) {
      request.body.messages.push_back(text_message(Role::assistant, fmt::format("answer {}", i)));
      request.body.messages.push_back(text_message(Role::user, fmt::format("go on {}", i)));
    }
    asked->prepare(two, request, now_ms);
    DecisionRecord record;
    record.time_ms = now_ms;
    record.facts = request.facts;
    record.states.resize(two.targets.size());
    asked->foresee(two, record.facts, record.states);
    record.decision = decide(record.facts, two, record.states);
    record.decision.id = "dec" + std::to_string(++n_asked);
    asked->decided(two, record);
    return record;
  }
  void answer(const DecisionRecord& record, bool is_hard) {
    const bool thinks = record.decision.effort == Effort::high;
    Completion completion;
    completion.usage.n_completion = thinks ? 1500 : 200;
    completion.usage.cost_pico = 1000;
    now_ms += 2000;
    learner.ended(record, completion, now_ms);
    const double chance =
        is_hard && record.decision.target == "own" && !thinks ? 0.2 : right_when_easy;
    learner.judged(record.decision.id, uniform(random) < chance);
  }

  Policy two = policy(kTwo);
  Learner learner{[this] { return uniform(random); }};
  Learner* asked = &learner;
  std::mt19937_64 random{7};
  std::uniform_real_distribution<double> uniform{0, 1};
  int64_t now_ms = 1'760'000'000'000;
  int n_asked = 0, n_turns = 0;
  double right_when_easy = 0.9;
};

TEST_F(EffortLearner, RaisesItForWhatIsHardAndNotForWhatIsEasy) {
  int n_high_hard = 0, n_low_easy = 0, n_dear = 0;
  for (int i = 0; i < 600; ++i) {
    const bool is_hard = i % 2;
    const DecisionRecord record = ask(is_hard, fmt::format("s{}", i));
    answer(record, is_hard);
    if (i < 400) continue;
    n_dear += record.decision.target == "dear";
    n_high_hard += is_hard && record.decision.effort == Effort::high;
    n_low_easy += !is_hard && record.decision.effort == Effort::low;
  }
  EXPECT_GE(n_high_hard, 90) << "of 100";
  EXPECT_GE(n_low_easy, 90) << "of 100";
  EXPECT_EQ(n_dear, 0) << "another model was never needed";
}

TEST_F(EffortLearner, ThePosteriorOfALevelIsItsOwn) {
  two.value.success_usd = 0.01;
  right_when_easy = 1;
  for (int i = 0; i < 40; ++i) answer(ask(false, fmt::format("s{}", i)), false);
  const DecisionRecord next = ask(false, "t");
  const TargetState& own = next.states.at(0);
  ASSERT_EQ(own.efforts.size(), 2u);
  ASSERT_TRUE(own.efforts[0].belief.quality);
  EXPECT_FALSE(own.efforts[1].belief.quality) << "nobody has seen it";
  EXPECT_NEAR(own.efforts[0].belief.n_output->mean, 200, 1);
  EXPECT_NEAR(own.efforts[1].belief.n_output->mean, 200 * 2000 / 600.0, 5)
      << "as long as the other, by what the policy says of the two";
  EXPECT_FALSE(own.belief.n_output);
}

TEST_F(EffortLearner, ACacheIsWarmAtOtherLevelsAsItsProviderKeepsIt) {
  for (const auto& [provider, n_least, n_most] :
       std::vector<std::tuple<std::string, uint64_t, uint64_t>>{
           {"groq", 1000, 1100}, {"anthropic", 990, 1003}, {"openai", 0, 0}}) {
    two.targets[0].provider = provider;
    n_turns = 0;
    const std::string session = "with " + provider;
    const DecisionRecord first = ask(true, session);
    ASSERT_EQ(first.decision.target, "own");
    answer(first, true);
    n_turns = 1;
    const DecisionRecord second = ask(true, session);
    EXPECT_EQ(second.facts.past->effort, first.decision.effort);
    const auto& levels = second.states[0].efforts;
    const size_t same = first.decision.effort == Effort::high;
    EXPECT_GE(levels[same].warm.n_tokens, 1005u) << provider;
    EXPECT_GE(levels[1 - same].warm.n_tokens, n_least) << provider;
    EXPECT_LE(levels[1 - same].warm.n_tokens, n_most) << provider;
  }
}

TEST_F(EffortLearner, ARecordReplaysAsItWasAndKeepsItsLevels) {
  for (int i = 0; i < 30; ++i) answer(ask(i % 2, fmt::format("s{}", i)), i % 2);
  const DecisionRecord record = ask(true, "again");
  auto back = json::decode<DecisionRecord>(json::encode(record), "record");
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->decision.effort, record.decision.effort);
  Decision again = decide(back->facts, two, back->states);
  again.id = record.decision.id;
  EXPECT_EQ(json::encode(again), json::encode(record.decision));
}

// A later step of a cascade may be the same model at another level.
TEST_F(EffortLearner, WhatStandsInAtAnotherLevelIsLearnedOfThatOne) {
  DecisionRecord record = ask(false, "s");
  ASSERT_EQ(record.decision.effort, Effort::low);
  record.stand_in = StandIn{"own", "o", "own@high answers: own@low did not pass", Effort::high};
  Completion completion;
  completion.usage.n_completion = 1500;
  learner.ended(record, completion, now_ms);
  const DecisionRecord next = ask(false, "t");
  EXPECT_NEAR(next.states[0].efforts.at(1).belief.n_output->mean, 1500, 5);
  EXPECT_NEAR(next.states[0].efforts.at(0).belief.n_output->mean, 1500 * 600 / 2000.0, 5)
      << "by what is usual between the two";
}

TEST_F(EffortLearner, WhatTheLedgerKnowsOfLevelsIsRecalled) {
  Learner fresh([] { return 0.5; });
  for (int i = 0; i < 60; ++i) {
    const DecisionRecord record = ask(true, fmt::format("s{}", i));
    answer(record, true);
    StoredDecision stored;
    stored.record = record;
    stored.quality = record.decision.effort == Effort::high;
    stored.outcome.emplace();
    stored.outcome->usage.n_completion = 1500;
    fresh.recall(stored);
  }
  asked = &fresh;
  const DecisionRecord next = ask(true, "t");
  ASSERT_TRUE(next.states[0].efforts[1].belief.quality);
  EXPECT_NEAR(next.states[0].efforts[1].belief.n_output->mean, 1500, 10);
}

// ---- told, replayed, simulated ----

TEST(EffortExplain, NamesLevelsAndWhatWouldChangeThem) {
  const Policy two = policy(kTwo);
  DecisionRecord record;
  record.policy_hash = policy_hash(two);
  record.facts = facts();
  record.states.resize(2);
  record.decision = decide(record.facts, two, record.states);
  const Explanation e = explain(record, two);
  EXPECT_EQ(e.effort, Effort::low);
  EXPECT_EQ(e.kept.size(), 3u);
  EXPECT_EQ(e.runner_up, "own at high");
  EXPECT_THAT(e.fallbacks, ElementsAre("dear"));
  bool says_when = false;
  for (const Flip& flip : e.flips) {
    if (flip.what != "success_usd" || flip.to < flip.from) continue;
    says_when = true;
    EXPECT_EQ(flip.target, "own");
    EXPECT_EQ(flip.effort, Effort::high);
    EXPECT_THAT(flip.text, HasSubstr("own at high wins if a right answer is worth more than"));
    Policy changed = two;
    changed.value.success_usd = flip.to;
    EXPECT_EQ(decide(record.facts, changed, record.states).effort, Effort::high);
  }
  EXPECT_TRUE(says_when);
  const std::string words = in_words(e);
  EXPECT_THAT(words, HasSubstr("own at low\n"));
  EXPECT_THAT(words, HasSubstr("should it fail: dear\n"));
  EXPECT_THAT(json::encode(e), HasSubstr(R"("effort":"low")"));
}

StoredDecision logged(const Policy& by, int64_t time_ms) {
  StoredDecision out;
  out.record.time_ms = time_ms;
  out.record.facts = facts(1000);
  out.record.states.resize(by.targets.size());
  out.record.decision = decide(out.record.facts, by, out.record.states);
  out.outcome.emplace();
  out.outcome->usage.n_completion = out.record.decision.effort == Effort::high ? 2000 : 600;
  out.outcome->latency_ms = 1000;
  out.cost = PicoUsd::from_usd(0.001);
  return out;
}

TEST(EffortReplay, TheSamePolicyIsTheLogAndAnotherOneMovesTheEffort) {
  const Policy two = policy(kTwo);
  Policy keen = two;
  keen.value.success_usd = 0.2;
  Replay same(two, {}), moved(keen, {});
  for (int i = 0; i < 20; ++i) {
    same.add(logged(two, 1'760'000'000'000 + i));
    moved.add(logged(two, 1'760'000'000'000 + i));
  }
  EXPECT_EQ(same.report().n_moved, 0u);
  EXPECT_EQ(same.report().chosen.at("own at low"), 20u);
  const ReplayReport report = moved.report();
  EXPECT_EQ(report.n_moved, 20u);
  EXPECT_EQ(report.chosen.at("own at high"), 20u);
  EXPECT_EQ(report.logged_chosen.at("own at low"), 20u);
  // 600 tokens at low are 1400 at high, by what is usual between the two.
  EXPECT_NEAR(report.cost_usd.replayed, 20 * (1000e-6 + 1400 * 4e-6), 1e-6);
}

TEST(EffortReplay, AnAnswerOfALaterStepHasThatOnesLength) {
  const Policy two = policy(kTwo);
  Policy keen = two;
  keen.value.success_usd = 0.2;
  Replay moved(keen, {});
  for (int i = 0; i < 20; ++i) {
    StoredDecision climbed = logged(two, 1'760'000'000'000 + i);
    climbed.record.stand_in = StandIn{"own", "o", "", Effort::high};
    climbed.outcome->usage.n_completion = 2000;
    moved.add(climbed);
  }
  EXPECT_NEAR(moved.report().cost_usd.replayed, 20 * (1000e-6 + 2000 * 4e-6), 1e-6);
}

TEST(EffortReplay, ARecordFromBeforeEffortsIsOfTheStatedOne) {
  Policy two = policy(kTwo);
  two.targets[0].efforts.clear();
  two.targets[0].effort = Effort::high;
  Replay replay(two, {});
  for (int i = 0; i < 20; ++i) {
    StoredDecision old = logged(two, 1'760'000'000'000 + i);
    old.record.decision.effort.reset();
    for (Candidate& candidate : old.record.decision.candidates) candidate.effort.reset();
    replay.add(old);
  }
  EXPECT_EQ(replay.report().n_moved, 0u);
}

TEST(EffortReplay, ABudgetHoldsForEachLevel) {
  const Policy two = policy(kTwo);
  Policy capped = two;
  capped.value.success_usd = 0.2;
  capped.budgets.push_back({"day", 0.03, Per::day, true});
  Replay replay(capped, {});
  for (int i = 0; i < 40; ++i) replay.add(logged(two, 1'760'000'000'000 + i));
  const ReplayReport report = replay.report();
  ASSERT_EQ(report.budgets.size(), 1u);
  EXPECT_GT(report.n_refused, 0u);
  EXPECT_LE(report.budgets[0].most_spent_usd, 0.03);
}

std::vector<RecordedRequest> thoughtful_rows(uint32_t seed) {
  std::mt19937 random(seed);
  auto is_right = [&](double chance) {
    return static_cast<double>(std::uniform_real_distribution<double>()(random) < chance);
  };
  std::vector<RecordedRequest> rows;
  for (int i = 0; i < 600; ++i) {
    const bool is_hard = random() % 2;
    RecordedRequest row;
    row.prompt = is_hard ? "prove the hard theorem" : "name the easy thing";
    const double low = is_right(is_hard ? 0.2 : 0.9);
    const double high = is_right(0.92);
    const double dear = is_right(0.93);
    row.targets = {
        {"own@low", {low, 0.002, {}}}, {"own@high", {high, 0.03, {}}}, {"dear", {dear, 0.09, {}}}};
    rows.push_back(std::move(row));
  }
  return rows;
}

TEST(EffortSimulation, LearnsWhichWorkNeedsThoughts) {
  const auto rows = thoughtful_rows(3);
  SimulationOptions options;
  options.policy = policy(kTwo);
  options.success_usd = 0.1;
  const SimulationReport report = simulate(rows, thoughtful_rows(4), options);
  EXPECT_GT(report.advantage.low_usd, 0);
  EXPECT_EQ(report.advantage.best_fixed, "own@high");
  EXPECT_GT(report.share.at("own@low"), 0.4);
  EXPECT_GT(report.share.at("own@high"), 0.4);
  EXPECT_LT(report.share.at("dear"), 0.05);
  // Names that no target of the policy lists as efforts are targets like others.
  const SimulationReport plain = simulate(rows, {}, {});
  EXPECT_EQ(plain.share.size(), 3u);
}

}  // namespace
}  // namespace hearth::router
