// What holds for every policy and every request, tried on many seeded ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "decide.h"
#include "router/effort.h"
#include "router/policy.h"
#include "router/policy_file.h"
#include "support/json.h"

namespace hearth::router {
namespace {

constexpr int kRounds = 5000;

struct Situation {
  RequestFacts facts;
  Policy policy;
  std::vector<TargetState> states;
};

class Dice {
 public:
  explicit Dice(uint32_t seed) : random_(seed) {}
  bool chance(unsigned one_in) { return random_() % one_in == 0; }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  // Few values, so that ties come often.
  double step(uint32_t n) { return below(n + 1) / static_cast<double>(n); }

 private:
  std::mt19937 random_;
};

Target any_target(Dice& dice, size_t i) {
  Target made;
  made.name = "t" + std::to_string(i);
  made.model = "m" + std::to_string(dice.below(3));
  made.kind = dice.chance(2) ? TargetKind::api : TargetKind::engine;
  if (made.kind == TargetKind::api) made.provider = "openai";
  made.trust = static_cast<Trust>(made.kind == TargetKind::api ? 1 + dice.below(4) : dice.below(5));
  if (made.kind == TargetKind::engine || !dice.chance(5))
    made.price = Price{dice.step(2), 0, dice.step(2)};
  made.quality = dice.step(4);
  made.n_context = dice.chance(3) ? 1000 : 0;
  made.has_tools = !dice.chance(4);
  made.has_images = dice.chance(2);
  if (dice.chance(2)) made.ttft_ms = dice.below(3) * 500;
  if (dice.chance(3)) {
    made.efforts = {{Effort::none, {}, {}}, {Effort::low, {}, {}}, {Effort::high, {}, {}}};
    if (dice.chance(2)) made.efforts[2].quality = dice.step(4);
    if (dice.chance(2)) made.efforts[0].n_output = 100;
  } else if (dice.chance(4)) {
    made.effort = Effort::medium;
  }
  return made;
}

Situation any_situation(uint32_t seed) {
  Dice dice(seed);
  Situation made;
  size_t n_targets = dice.below(6);
  for (size_t i = 0; i < n_targets; ++i) {
    made.policy.targets.push_back(any_target(dice, i));
    TargetState& state = made.states.emplace_back();
    if (dice.chance(6)) state.down = "it is down";
    state.queue_ms = dice.below(3) * 5000;
    state.prefill_tokens_per_s = dice.step(3) * 1000;
    if (dice.chance(3)) state.lacks = {Need::bare_prompt, Need::seed};
  }
  made.policy.trust_floor = static_cast<Trust>(dice.below(5));
  made.policy.labels = {
      {"a", {}, Trust::self_hosted}, {"b", {}, Trust::retained}, {"b", {}, Trust::zero_retention}};
  TaskRule& rule = made.policy.tasks[TaskClass::chat];
  rule.min_quality = dice.step(4);
  if (dice.chance(3)) rule.deadline_ms = 5000 + dice.below(10'000);
  if (dice.chance(3)) rule.targets = {"t0", "t2"};
  if (dice.chance(8)) rule.effort = Effort::low;
  if (dice.chance(6)) made.facts.effort = static_cast<Effort>(dice.below(7));
  for (size_t i = 0; i < n_targets; ++i) {
    make_levels(made.facts, made.policy, made.policy.targets[i], made.states[i]);
    for (EffortState& level : made.states[i].efforts)
      if (dice.chance(8)) level.down = "it is not known there";
  }
  made.facts.id = "d" + std::to_string(seed);
  constexpr const char* kModels[] = {"auto", "auto", "local", "t1", "m1", "nothing", ""};
  made.facts.model = kModels[dice.below(std::size(kModels))];
  for (const char* label : {"a", "b", "unknown"})
    if (dice.chance(5)) made.facts.labels.emplace_back(label);
  made.facts.n_prompt_estimate = dice.below(2000);
  made.facts.max_tokens = dice.below(3) * 300;
  if (dice.chance(3)) made.facts.needs.push_back(Need::tools);
  if (dice.chance(4)) made.facts.needs.push_back(Need::images);
  if (dice.chance(5)) made.facts.needs.push_back(Need::bare_prompt);
  if (dice.chance(6)) made.facts.needs.push_back(Need::seed);
  return made;
}

std::string text_of(const Decision& decision) { return json::encode(decision); }

// Calls check(situation, decision) for all situations where the model is known.
template <class Check>
void for_all(Check check) {
  int n_chosen = 0, n_refused = 0;
  for (uint32_t seed = 0; seed < kRounds; ++seed) {
    Situation situation = any_situation(seed);
    Decision decision = decide(situation.facts, situation.policy, situation.states);
    if (decision.refused_as == Errc::not_found) continue;
    ++(decision.target.empty() ? n_refused : n_chosen);
    SCOPED_TRACE(seed);
    check(situation, decision);
  }
  EXPECT_GT(n_chosen, kRounds / 10) << "the situations are worth trying";
  EXPECT_GT(n_refused, kRounds / 10);
}

size_t index_of(const Situation& situation, const std::string& target) {
  auto at = std::ranges::find(situation.policy.targets, target, &Target::name);
  return static_cast<size_t>(at - situation.policy.targets.begin());
}

size_t chosen_of(const Decision& decision) {
  const Candidate* chosen = find_candidate(decision, decision.target, decision.effort);
  return chosen ? static_cast<size_t>(chosen - decision.candidates.data())
                : decision.candidates.size();
}

TEST(DecideProperty, TheSameInputsGiveTheSameDecision) {
  for (uint32_t seed = 0; seed < kRounds; ++seed) {
    Situation first = any_situation(seed), second = any_situation(seed);
    EXPECT_EQ(text_of(decide(first.facts, first.policy, first.states)),
              text_of(decide(second.facts, second.policy, second.states)));
  }
}

TEST(DecideProperty, InTheRoomOfAnEarlierDecisionItIsTheSame) {
  Decision room;
  for (uint32_t seed = 0; seed < kRounds; ++seed) {
    const Situation situation = any_situation(seed);
    decide(situation.facts, situation.policy, situation.states, room);
    ASSERT_EQ(text_of(room), text_of(decide(situation.facts, situation.policy, situation.states)))
        << seed;
    room.id = "taken";
    room.hedge.emplace();
  }
}

// As a file can hold it.
Policy with_valid_file(Policy policy) {
  policy.labels.resize(2);  // the second rule for "b" contradicts the first
  for (Target& target : policy.targets)
    if (!target.price && target.kind == TargetKind::api) target.price = Price{};
  if (policy.targets.size() < 3) policy.tasks[TaskClass::chat].targets.clear();
  return policy;
}

// What a log keeps is enough: the record and the policy's text, both read back.
TEST(DecideProperty, ARecordReplaysToTheSameDecision) {
  for (uint32_t seed = 0; seed < kRounds / 5; ++seed) {
    Situation situation = any_situation(seed);
    situation.policy = with_valid_file(std::move(situation.policy));
    DecisionRecord record;
    record.policy_hash = policy_hash(situation.policy);
    record.facts = situation.facts;
    record.states = situation.states;
    record.decision = decide(situation.facts, situation.policy, situation.states);
    auto read = json::decode<DecisionRecord>(json::encode(record));
    ASSERT_TRUE(read) << read.error().message;
    auto policy = parse_policy(print_policy(situation.policy), "policy.toml");
    ASSERT_TRUE(policy) << policy.error().message;
    EXPECT_EQ(policy_hash(*policy), read->policy_hash);
    Decision again = decide(read->facts, *policy, read->states);
    ASSERT_EQ(text_of(again), text_of(record.decision)) << seed;
    ASSERT_EQ(text_of(read->decision), text_of(record.decision));
  }
}

TEST(DecideProperty, EveryTargetIsACandidateInTheOrderOfThePolicy) {
  for_all([](const Situation& situation, const Decision& decision) {
    EXPECT_FALSE(decision.reason.empty());
    size_t i = 0;
    for (const Target& target : situation.policy.targets)
      for (std::optional<Effort> level : levels_of(situation.facts, situation.policy, target)) {
        ASSERT_LT(i, decision.candidates.size());
        EXPECT_EQ(situation.policy.targets[place_of(decision, i)].name, target.name);
        EXPECT_EQ(decision.candidates[i].target, target.name);
        EXPECT_EQ(decision.candidates[i++].effort, level);
      }
    EXPECT_EQ(decision.candidates.size(), i);
  });
}

TEST(DecideProperty, AnExcludedTargetIsNeverChosenAndARefusalExcludesAll) {
  auto is_meant = [](const Candidate& candidate) {
    const std::string why = candidate.excluded_by.value_or("");
    return !why.starts_with("the request asks for") &&
           why.find("lists other targets") == std::string::npos;
  };
  for_all([&](const Situation&, const Decision& decision) {
    const bool is_any_meant = std::ranges::any_of(decision.candidates, is_meant);
    for (const Candidate& candidate : decision.candidates) {
      if (candidate.excluded_by) {
        EXPECT_FALSE(candidate.excluded_by->empty());
        EXPECT_FALSE(candidate.target == decision.target && candidate.effort == decision.effort);
      }
      if (decision.target.empty()) {
        EXPECT_TRUE(candidate.excluded_by);
        auto tells = [&](const std::string& name) {
          return decision.reason.find(" " + name + ": ") != std::string::npos;
        };
        const bool is_told =
            tells(candidate.target) || tells(level_name(candidate.target, candidate.effort));
        EXPECT_EQ(is_told, is_meant(candidate) || !is_any_meant) << decision.reason;
      }
    }
  });
}

TEST(DecideProperty, TheChosenIsCheapestThenMostTrustedThenFastestThenFirst) {
  for_all([](const Situation& situation, const Decision& decision) {
    if (decision.target.empty()) return;
    const size_t chosen = chosen_of(decision);
    auto rank = [&](size_t i) {
      const Candidate& candidate = decision.candidates[i];
      return std::tuple(candidate.cost_usd, situation.policy.targets[place_of(decision, i)].trust,
                        candidate.latency_ms, i);
    };
    for (size_t i = 0; i < decision.candidates.size(); ++i)
      if (i != chosen && !decision.candidates[i].excluded_by) {
        EXPECT_LT(rank(chosen), rank(i));
      }
  });
}

TEST(DecideProperty, TheChosenKeepsEveryRule) {
  for_all([](const Situation& situation, const Decision& decision) {
    if (decision.target.empty()) return;
    const auto& [facts, policy, states] = situation;
    size_t chosen = index_of(situation, decision.target);
    const Target& target = policy.targets[chosen];
    const Candidate& candidate = decision.candidates[chosen_of(decision)];
    EXPECT_EQ(decision.model, target.model);
    if (facts.effort) {
      EXPECT_EQ(decision.effort, facts.effort) << "the client's word";
    }
    for (const EffortState& level : states[chosen].efforts)
      if (level.effort == decision.effort) {
        EXPECT_FALSE(level.down);
      }
    EXPECT_LE(target.trust, policy.trust_floor);
    for (const std::string& label : facts.labels) {
      Trust allowed = label == "a"   ? Trust::self_hosted
                      : label == "b" ? Trust::zero_retention
                                     : Trust::local;
      EXPECT_LE(target.trust, allowed) << label << ": of two rules the stricter";
    }
    for (Need need : facts.needs) {
      EXPECT_EQ(std::ranges::count(states[chosen].lacks, need), 0);
      if (need == Need::tools) {
        EXPECT_TRUE(target.has_tools);
      }
      if (need == Need::images) {
        EXPECT_TRUE(target.has_images);
      }
    }
    EXPECT_TRUE(target.price || target.kind == TargetKind::engine);
    EXPECT_FALSE(states[chosen].down);
    if (target.kind == TargetKind::api && target.n_context) {
      EXPECT_LT(facts.n_prompt_estimate, target.n_context);
    }
    if (facts.model == "local") {
      EXPECT_EQ(target.kind, TargetKind::engine);
    }
    if (facts.model == "t1" || facts.model == "m1") {
      EXPECT_TRUE(facts.model == target.name || facts.model == target.model);
      return;  // who is asked for by name need not meet floor and deadline
    }
    const TaskRule& rule = policy.tasks.at(TaskClass::chat);
    EXPECT_GE(candidate.quality, rule.min_quality);
    if (rule.deadline_ms) {
      EXPECT_LE(candidate.latency_ms, *rule.deadline_ms);
    }
    if (!rule.targets.empty()) {
      EXPECT_TRUE(std::ranges::count(rule.targets, target.name));
    }
  });
}

TEST(DecideProperty, AWorseTargetAtTheEndChangesNothing) {
  for_all([](const Situation& situation, const Decision& decision) {
    if (situation.policy.targets.empty()) return;  // there, the model is never unknown
    Situation more = situation;
    Target dear;
    dear.name = "dear";
    dear.kind = TargetKind::api;
    dear.price = Price{1e5, 1e5, 1e5};
    dear.trust = Trust::trains;
    more.policy.targets.push_back(dear);
    more.states.emplace_back();
    Decision again = decide(more.facts, more.policy, more.states);
    if (!decision.target.empty()) {
      EXPECT_EQ(again.target, decision.target);
    }
  });
}

}  // namespace
}  // namespace hearth::router
