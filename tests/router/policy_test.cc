#include "router/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/json.h"

namespace hearth::router {
namespace {

using testing::HasSubstr;

Target target(std::string name, TargetKind kind, Trust trust, double usd_per_m,
              double quality = 0.5) {
  Target made;
  made.name = std::move(name);
  made.kind = kind;
  made.model = made.name + "-model";
  made.trust = trust;
  made.has_images = true;
  made.price = Price{usd_per_m, usd_per_m / 10, usd_per_m * 4};
  made.quality = quality;
  return made;
}

Policy three_targets() {
  Policy policy;
  policy.targets = {target("local", TargetKind::engine, Trust::local, 0, 0.3),
                    target("cheap", TargetKind::api, Trust::retained, 0.1, 0.6),
                    target("strong", TargetKind::api, Trust::zero_retention, 3, 0.9)};
  policy.labels = {{"work", {"src/**", "repo:acme/*", "tool:shell"}, Trust::zero_retention},
                   {"secret", {"**/.env*"}, Trust::local}};
  return policy;
}

RequestFacts facts(std::string model = "auto") {
  RequestFacts made;
  made.id = "d1";
  made.model = std::move(model);
  made.n_prompt_estimate = 1000;
  return made;
}

Decision decided(const RequestFacts& request, const Policy& policy,
                 std::vector<TargetState> states = {}) {
  states.resize(policy.targets.size());
  return decide(request, policy, states);
}

std::string why_not(const Decision& decision, std::string_view name) {
  for (const Candidate& candidate : decision.candidates)
    if (candidate.target == name) return candidate.excluded_by.value_or("kept");
  return "absent";
}

TEST(Decide, TakesTheCheapestThatMeetsTheFloor) {
  Policy policy = three_targets();
  EXPECT_EQ(decided(facts(), policy).target, "local");
  policy.tasks[TaskClass::chat].min_quality = 0.5;
  Decision decision = decided(facts(), policy);
  EXPECT_EQ(decision.target, "cheap");
  EXPECT_THAT(why_not(decision, "local"), HasSubstr("quality 0.30"));
}

TEST(Decide, IsPure) {
  Policy policy = three_targets();
  EXPECT_EQ(json::encode(decided(facts(), policy)), json::encode(decided(facts(), policy)));
}

TEST(Decide, NamesPickTargetsAndModelsAndLocal) {
  Policy policy = three_targets();
  EXPECT_EQ(decided(facts("strong"), policy).target, "strong");
  EXPECT_EQ(decided(facts("cheap-model"), policy).target, "cheap");
  EXPECT_EQ(decided(facts("local"), policy).target, "local");
}

TEST(Decide, AProvidersNameMeansAnyOfItsTargets) {
  Policy policy = three_targets();
  policy.targets[1].provider = policy.targets[2].provider = "acme";
  EXPECT_EQ(decided(facts("acme"), policy).target, "cheap");
  EXPECT_THAT(decided(facts("acme"), policy).fallbacks, ::testing::ElementsAre("strong"));
  EXPECT_THAT(why_not(decided(facts("acme"), policy), "local"), HasSubstr("asks for \"acme\""));
  policy.targets[2].name = "acme";
  EXPECT_THAT(decided(facts("acme"), policy).fallbacks, ::testing::IsEmpty())
      << "a target's own name comes first";
}

TEST(Decide, ARefusalSpeaksOfThoseWhoWereMeant) {
  Policy policy = three_targets();
  std::vector<TargetState> states(3);
  states[2].down = "it rests";
  EXPECT_EQ(decided(facts("strong"), policy, states).reason, "no target is left: strong: it rests");
  for (TargetState& state : states) state.down = "it rests";
  EXPECT_EQ(decided(facts(), policy, states).reason,
            "no target is left: local: it rests; cheap: it rests; strong: it rests");
}

TEST(Decide, AnUnknownModelIsNotFoundAndSaysWhatIsKnown) {
  Policy policy = three_targets();
  Decision decision = decided(facts("gpt-9"), policy);
  EXPECT_EQ(decision.target, "");
  EXPECT_EQ(decision.refused_as, Errc::not_found);
  EXPECT_THAT(decision.reason, HasSubstr("cheap-model"));
}

TEST(Decide, LabelsKeepContentAtHome) {
  Policy policy = three_targets();
  policy.tasks[TaskClass::chat].min_quality = 0.5;
  RequestFacts request = facts();
  request.labels = {"work"};
  Decision decision = decided(request, policy);
  EXPECT_EQ(decision.target, "strong");
  EXPECT_THAT(why_not(decision, "cheap"), HasSubstr("label \"work\""));
  request.labels = {"work", "secret"};
  decision = decided(request, policy);
  EXPECT_EQ(decision.target, "") << "the local model is below the floor: refuse, never fall open";
  EXPECT_THAT(decision.reason, HasSubstr("label \"secret\""));
}

TEST(Decide, ALabelNobodyDefinedIsTakenAtItsStrictest) {
  Policy policy = three_targets();
  RequestFacts request = facts("strong");
  request.labels = {"wrok"};
  EXPECT_EQ(decided(request, policy).target, "");
}

TEST(Decide, TheTrustFloorHoldsForEveryRequest) {
  Policy policy = three_targets();
  policy.trust_floor = Trust::zero_retention;
  EXPECT_EQ(decided(facts("cheap"), policy).target, "");
}

TEST(Decide, FiltersByCapabilityContextAndHealth) {
  Policy policy = three_targets();
  policy.targets[0].has_tools = false;
  policy.targets[1].n_context = 500;
  RequestFacts request = facts();
  request.needs = {Need::tools};
  std::vector<TargetState> states(3);
  Decision decision = decided(request, policy, states);
  EXPECT_EQ(decision.target, "strong");
  EXPECT_THAT(why_not(decision, "local"), HasSubstr("tools"));
  EXPECT_THAT(why_not(decision, "cheap"), HasSubstr("context is 500"));
  states[2].down = "circuit open";
  EXPECT_EQ(decided(request, policy, states).target, "");
}

// What is refused for one reason alone is called by it.
TEST(Decide, ARefusalSaysWhatKindItIs) {
  Policy policy = three_targets();
  auto refused_as = [&](const RequestFacts& request, std::vector<TargetState> states = {}) {
    Decision decision = decided(request, policy, std::move(states));
    EXPECT_EQ(decision.target, "");
    return decision.refused_as;
  };
  std::vector<TargetState> states(3);
  for (TargetState& state : states) state.lacks = {Need::seed, Need::json_schema};
  RequestFacts request = facts();
  request.needs = {Need::json_schema};
  EXPECT_EQ(refused_as(request, states), Errc::unsupported);
  EXPECT_THAT(decided(request, policy, states).reason,
              HasSubstr("strong: it cannot honour response_format.json_schema"));
  states[1].lacks.clear();
  EXPECT_EQ(decided(request, policy, states).target, "cheap");
  EXPECT_EQ(decided(request, policy, states).refused_as, std::nullopt);
  request.labels = {"secret"};
  EXPECT_EQ(refused_as(request, states), Errc::denied) << "for two reasons";
  request = facts("cheap");
  policy.targets[1].n_context = 500;
  EXPECT_EQ(refused_as(request), Errc::context_exceeded);
  states[1].down = "circuit open";
  EXPECT_EQ(refused_as(request, states), Errc::busy);
}

TEST(Decide, ATieInCostGoesToTheMoreTrusted) {
  Policy policy = three_targets();
  for (Target& target : policy.targets) target.price = Price{};
  policy.targets[0].quality = 0;
  std::vector<TargetState> states(3);
  states[0].queue_ms = 60'000;
  EXPECT_EQ(decided(facts(), policy, states).target, "local") << "though it is slowest";
  states[0].down = "gone";
  EXPECT_EQ(decided(facts(), policy, states).target, "strong") << "though it is named last";
}

TEST(Decide, AnApiWithoutAPriceIsNeverTakenForFree) {
  Policy policy = three_targets();
  policy.targets[1].price.reset();
  policy.tasks[TaskClass::chat].min_quality = 0.5;
  Decision decision = decided(facts(), policy);
  EXPECT_EQ(decision.target, "strong");
  EXPECT_THAT(why_not(decision, "cheap"), HasSubstr("price is not known"));
}

TEST(Decide, ADeadlineRemovesTargetsThatWouldMissIt) {
  Policy policy = three_targets();
  RequestFacts request = facts();
  request.deadline_ms = 10'000;
  std::vector<TargetState> states(3);
  states[0].queue_ms = 60'000;
  Decision decision = decided(request, policy, states);
  EXPECT_EQ(decision.target, "cheap");
  EXPECT_THAT(why_not(decision, "local"), HasSubstr("deadline is 10000 ms"));
}

TEST(Decide, WithoutAnyTargetSaysHowToGetOne) {
  Decision decision = decided(facts(), Policy{});
  EXPECT_EQ(decision.target, "");
  EXPECT_THAT(decision.reason, HasSubstr("hearth pull"));
}

TEST(Labels, ComeFromPathRepositoryAndTool) {
  Policy policy = three_targets();
  Block block;
  block.content = Text{"x"};
  EXPECT_TRUE(labels_of(policy, block).empty());
  block.source = Source{"src/a/b.cc", std::nullopt, std::nullopt};
  EXPECT_EQ(labels_of(policy, block), std::vector<std::string>{"work"});
  block.source = Source{".env.local", "acme/shop", std::nullopt};
  EXPECT_EQ(labels_of(policy, block), (std::vector<std::string>{"work", "secret"}));
  block.source = Source{"deep/er/.env", std::nullopt, "shell"};
  block.labels = {"work"};
  EXPECT_EQ(labels_of(policy, block), (std::vector<std::string>{"work", "secret"}))
      << "never twice";
}

}  // namespace
}  // namespace hearth::router
