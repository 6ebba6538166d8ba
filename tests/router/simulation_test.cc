#include "router/simulation.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "router/policy_file.h"

namespace hearth::router {
namespace {

using ::testing::HasSubstr;
using Rows = std::vector<RecordedRequest>;

RecordedRequest row_of(std::string prompt, std::map<std::string, RecordedOutcome> targets) {
  RecordedRequest row;
  row.prompt = std::move(prompt);
  row.targets = std::move(targets);
  return row;
}

// One target answers code, another one poems; a third is good at all and dear.
Rows specialists(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  auto is_right = [&](double chance) {
    return static_cast<double>(std::uniform_real_distribution<double>()(random) < chance);
  };
  Rows rows;
  for (size_t i = 0; i < n; ++i) {
    // One draw a statement: compilers evaluate arguments in different orders.
    const bool is_code = random() % 2;
    const size_t subject = random() % 50;
    const double coder = is_right(is_code ? 0.9 : 0.3);
    const double poet = is_right(is_code ? 0.3 : 0.9);
    const double dear = is_right(0.95);
    rows.push_back(row_of(
        fmt::format("{} about subject {}", is_code ? "write a function" : "compose a poem",
                    subject),
        {{"coder", {coder, 0.001, {}}}, {"poet", {poet, 0.001, {}}}, {"dear", {dear, 0.5, {}}}}));
  }
  return rows;
}

// Words say nothing: one of two is better.
Rows noise(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  Rows rows;
  for (size_t i = 0; i < n; ++i) {
    std::string words;
    for (int k = 0; k < 3; ++k) words += std::to_string(random() % 20) + " ";
    const double a = random() % 10 < 8;
    const double b = random() % 10 < 5;
    rows.push_back(row_of(words, {{"a", {a, 0.001, {}}}, {"b", {b, 0.001, {}}}}));
  }
  return rows;
}

double best_fixed_usd(const SimulationReport& report) {
  return report.fixed.at(report.advantage.best_fixed).utility_usd;
}

TEST(Simulation, BeatsTheBestFixedTargetWhereWordsTellTargetsApart) {
  const SimulationReport taught = simulate(specialists(300, 1), specialists(600, 2), {});
  EXPECT_GT(taught.advantage.low_usd, 0);
  EXPECT_GT(taught.advantage.oracle_gap_closed, 0.5);
  const SimulationReport alone = simulate(specialists(1500, 3), {}, {});
  EXPECT_GT(alone.advantage.low_usd, 0);
}

TEST(Simulation, FollowsTheBestFixedTargetWhereWordsTellNothing) {
  for (uint32_t seed : {1u, 2u, 3u}) {
    const SimulationReport taught = simulate(noise(500, seed), noise(1000, seed + 10), {});
    EXPECT_GE(taught.router.utility_usd, 0.98 * best_fixed_usd(taught)) << seed;
    const SimulationReport alone = simulate(noise(3000, seed), {}, {});
    EXPECT_GE(alone.router.utility_usd, 0.98 * best_fixed_usd(alone)) << seed;
  }
}

TEST(Simulation, AddsUpWhatItReports) {
  const Rows rows = specialists(200, 4);
  const SimulationReport report = simulate(rows, {}, {.success_usd = 2, .policy = {}});
  double shares = 0, random = 0, oracle = 0;
  for (const auto& [name, share] : report.share) shares += share;
  EXPECT_NEAR(shares, 1, 1e-9);
  for (const RecordedRequest& row : rows) {
    double most = -1e9;
    for (const auto& [name, outcome] : row.targets) {
      const double utility = 2 * outcome.quality - outcome.cost_usd;
      random += utility / 3;
      most = std::max(most, utility);
    }
    oracle += most;
  }
  EXPECT_NEAR(report.random.utility_usd, random, 1e-6);
  EXPECT_NEAR(report.oracle.utility_usd, oracle, 1e-6);
  for (const Sums* sums :
       {&report.router, &report.oracle, &report.random, &report.fixed.at("dear")}) {
    EXPECT_EQ(sums->n_rows, rows.size());
    EXPECT_NEAR(sums->utility_usd, 2 * sums->quality - sums->cost_usd, 1e-6);
  }
  EXPECT_NEAR(report.advantage.utility_usd, report.router.utility_usd - best_fixed_usd(report),
              1e-6);
  EXPECT_LE(report.advantage.low_usd, report.advantage.utility_usd);
  EXPECT_GE(report.advantage.high_usd, report.advantage.utility_usd);
}

// The last row's outcomes cannot have moved any choice; nor can those of targets not chosen.
TEST(Simulation, SeesAnOutcomeOnlyOfTheChosenTarget) {
  Rows rows = noise(400, 5);
  const SimulationReport before = simulate(rows, {}, {});
  Policy only_a;
  only_a.tasks[TaskClass::chat].targets = {"a"};
  const SimulationReport kept = simulate(rows, {}, {.policy = only_a});
  for (RecordedRequest& row : rows) row.targets["b"] = {1, 0, {}};
  const SimulationReport changed = simulate(rows, {}, {.policy = only_a});
  EXPECT_EQ(kept.router.utility_usd, changed.router.utility_usd);
  EXPECT_GT(before.share.at("b"), 0);
  EXPECT_EQ(kept.share.at("b"), 0);
}

TEST(Simulation, IsTheSameForTheSameSeed) {
  const Rows rows = specialists(300, 6);
  EXPECT_EQ(simulate(rows, {}, {}).router.utility_usd, simulate(rows, {}, {}).router.utility_usd);
}

TEST(Simulation, CheapTakesTheCheapestAndBestTheBest) {
  const Rows rows = specialists(200, 7), training = specialists(2000, 8);
  SimulationOptions options;
  options.policy.explore = {.classes = {"plan"}, .usd_per_day = 0, .share = 0};
  options.model = "auto:best";
  EXPECT_GT(simulate(rows, training, options).share.at("dear"), 0.7);
  options.model = "auto:cheap";
  EXPECT_EQ(simulate(rows, training, options).share.at("dear"), 0);
}

TEST(Simulation, RefusesRowsThatNoTargetMaySee) {
  auto policy = parse_policy(R"(
    [target.coder]
    kind = "api:openai"
    model = "x"
    free = true
    [[label]]
    name = "secret"
    trust = "local"
  )",
                             "policy.toml");
  ASSERT_TRUE(policy) << policy.error().message;
  Rows rows = specialists(4, 9);
  rows[0].labels = {"secret"};
  const SimulationReport report = simulate(rows, {}, {.policy = *policy});
  EXPECT_EQ(report.n_refused, 1u);
  EXPECT_EQ(report.router.n_rows, 4u);
}

TEST(Simulation, TakesRowsWithoutPromptAndWithDifferentTargets) {
  Rows rows;
  for (int i = 0; i < 50; ++i) {
    RecordedRequest row;
    row.targets[i % 2 ? "a" : "b"] = {0.5, 0.01, 20.0};
    row.targets["c"] = {0.4, 0.02, 10.0};
    rows.push_back(row);
  }
  const SimulationReport report = simulate(rows, {}, {});
  EXPECT_EQ(report.advantage.best_fixed, "c");  // the only one that every row has
  EXPECT_EQ(report.fixed.at("a").n_rows, 25u);
}

TEST(RecordedRows, SayWhereTheyAreWrong) {
  auto message = [](std::string_view text) {
    auto rows = parse_recorded(text, "rows.jsonl");
    return rows ? "" : rows.error().message;
  };
  EXPECT_EQ(message("\n  \n"), "");
  EXPECT_EQ(message(R"({"id":"1","targets":{"a":{"quality":1,"cost_usd":0}}})"), "");
  EXPECT_THAT(message("{}\n"), HasSubstr("rows.jsonl:1: "));
  EXPECT_THAT(message("\n{\"targets\":{}}"), HasSubstr("rows.jsonl:2: row.targets"));
  EXPECT_THAT(message(R"({"targets":{"a":{"quality":2,"cost_usd":0}}})"), HasSubstr("0 to 1"));
  EXPECT_THAT(message(R"({"targets":{"a":{"quality":1,"cost_usd":-1}}})"), HasSubstr("cost_usd"));
  EXPECT_THAT(message(R"({"targets":{"a":{"quality":1}}})"), HasSubstr("cost_usd"));
  EXPECT_THAT(message("nonsense"), HasSubstr("rows.jsonl:1"));
  EXPECT_THAT(
      message(R"({"targets":{"a":{"quality":1,"cost_usd":1},"a":{"quality":0,"cost_usd":2}}})"),
      HasSubstr("twice"));
  EXPECT_THAT(message(R"({"targets":{"":{"quality":1,"cost_usd":1}}})"), HasSubstr("name"));
  EXPECT_THAT(message(R"({"targets":{"a":{"quality":1,"cost_usd":1e300}}})"),
              HasSubstr("0 to 1e9"));
}

}  // namespace
}  // namespace hearth::router
