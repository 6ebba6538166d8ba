#include "router/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "random.h"
#include "router/effort.h"
#include "router/estimator.h"
#include "router/exploration_account.h"
#include "router/terms.h"
#include "support/json.h"

namespace hearth::router {

namespace {

double utility(const RecordedOutcome& outcome, double success_usd) {
  return success_usd * outcome.quality - outcome.cost_usd;
}

void add(Sums& sums, const RecordedOutcome& outcome, double success_usd, double share = 1) {
  sums.quality += share * outcome.quality;
  sums.cost_usd += share * outcome.cost_usd;
  sums.utility_usd += share * utility(outcome, success_usd);
}

Terms terms_of_row(const RecordedRequest& row) {
  return terms_of(row.prompt.value_or(""), {.task = row.task ? *row.task : "",
                                            .n_input_tokens = row.n_input_tokens.value_or(0),
                                            .n_output_tokens = row.n_output_tokens.value_or(0)});
}

RequestFacts facts_of(const RecordedRequest& row, const Terms& terms, const std::string& model) {
  RequestFacts facts;
  facts.model = model;
  facts.task = enum_from_name<TaskClass>(row.task.value_or("")).value_or(TaskClass::chat);
  facts.labels = row.labels;
  facts.n_prompt_estimate = static_cast<uint64_t>(terms.n_input);
  facts.max_tokens =
      static_cast<uint32_t>(std::min<uint64_t>(row.n_output_tokens.value_or(0), UINT32_MAX));
  return facts;
}

Outcome learnable(const RecordedOutcome& outcome) {
  return {outcome.quality, outcome.cost_usd, outcome.latency_ms};
}

// The targets of all rows: as the policy has them where it does. Without a policy's word a place is
// trusted as the policy's floor demands, for there is no place.
Policy with_targets(Policy policy, const std::vector<RecordedRequest>& rows, double success_usd) {
  std::set<std::string> names;
  for (const RecordedRequest& row : rows)
    for (const auto& [name, outcome] : row.targets) names.insert(name);
  const bool knows_places = !policy.targets.empty();
  // Of a target that lists efforts the outcomes are those of NAME@EFFORT.
  std::erase_if(policy.targets, [&](Target& target) {
    std::erase_if(target.efforts, [&](const EffortChoice& choice) {
      return names.erase(outcome_name(target.name, choice.effort)) == 0;
    });
    return target.efforts.empty() && !names.contains(target.name);
  });
  for (const std::string& name : names) {
    if (std::ranges::count(policy.targets, name, &Target::name)) continue;
    Target target;
    target.name = target.model = name;
    target.trust = knows_places ? Trust::retained : Trust::local;
    policy.targets.push_back(std::move(target));
  }
  policy.value.success_usd = success_usd;
  for (auto& [task, rule] : policy.tasks) rule.success_usd.reset();
  // Nothing is at risk here. A policy that says how to explore is taken at its word.
  if (policy.explore.classes.empty())
    policy.explore = {.classes = {"all"}, .usd_per_day = INFINITY, .share = 0.03};
  return policy;
}

bool may_explore(const Explore& explore, TaskClass task) {
  return std::ranges::any_of(explore.classes, [&](const std::string& name) {
    return name == "all" || name == enum_name(task);
  });
}

void train(Estimator& estimator, const std::vector<RecordedRequest>& rows) {
  std::vector<Terms> terms;
  for (const RecordedRequest& row : rows) estimator.meet(terms.emplace_back(terms_of_row(row)));
  for (size_t i = 0; i < rows.size(); ++i) {
    const Estimator::Look look = estimator.look(terms[i]);
    for (const auto& [name, outcome] : rows[i].targets)
      estimator.learn(name, look, learnable(outcome));
  }
  estimator.settle();
}

Advantage compare(const std::vector<RecordedRequest>& rows, const std::vector<double>& got,
                  const SimulationReport& report, const SimulationOptions& options) {
  Advantage advantage;
  auto mean = [](const Sums& sums) { return sums.utility_usd / static_cast<double>(sums.n_rows); };
  auto is_whole = [&](const Sums& sums) { return sums.n_rows == rows.size(); };
  const Sums* best = nullptr;
  for (const auto& [name, sums] : report.fixed) {
    const bool is_better =
        !best || (is_whole(sums) != is_whole(*best) ? is_whole(sums) : mean(sums) > mean(*best));
    if (!is_better) continue;
    best = &sums;
    advantage.best_fixed = name;
  }
  std::vector<double> differences;
  double oracle_gain = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    auto fixed = rows[i].targets.find(advantage.best_fixed);
    if (fixed == rows[i].targets.end()) continue;
    const double with_fixed = utility(fixed->second, options.success_usd);
    differences.push_back(got[i] - with_fixed);
    double most = with_fixed;
    for (const auto& [name, outcome] : rows[i].targets)
      most = std::max(most, utility(outcome, options.success_usd));
    oracle_gain += most - with_fixed;
  }
  for (double difference : differences) advantage.utility_usd += difference;
  if (oracle_gain > 1e-9 * report.random.cost_usd)
    advantage.oracle_gap_closed = advantage.utility_usd / oracle_gain;
  std::vector<double> resampled;
  Random random(options.seed ^ 0xb007);
  for (int i = 0; i < options.n_resamples && !differences.empty(); ++i) {
    double sum = 0;
    for (size_t n = 0; n < differences.size(); ++n)
      sum += differences[random.below(differences.size())];
    resampled.push_back(sum);
  }
  if (resampled.empty()) return advantage;
  std::ranges::sort(resampled);
  auto quantile = [&](double q) {
    return resampled[static_cast<size_t>(q * static_cast<double>(resampled.size() - 1))];
  };
  advantage.low_usd = quantile(0.025);
  advantage.high_usd = quantile(0.975);
  return advantage;
}

}  // namespace

Result<std::vector<RecordedRequest>> parse_recorded(std::string_view text,
                                                    const std::string& file_name) {
  std::vector<RecordedRequest> rows;
  for (size_t n_line = 1; !text.empty(); ++n_line) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    auto wrong = [&](const std::string& what) {
      return Error{Errc::invalid, fmt::format("{}:{}: {}", file_name, n_line, what)};
    };
    auto document = json::Document::parse(line);
    if (!document) return wrong(document.error().message);
    auto row = json::decode<RecordedRequest>(document->root(), "row");
    if (!row) return wrong(row.error().message);
    simdjson::dom::object named;
    if (!document->root()["targets"].get_object().get(named) && named.size() != row->targets.size())
      return wrong("row.targets: one of its targets is there twice");
    if (row->targets.empty()) return wrong("row.targets: expected at least one target");
    for (const auto& [name, outcome] : row->targets) {
      if (name.empty()) return wrong("row.targets: a target without a name");
      if (!(outcome.quality >= 0 && outcome.quality <= 1))
        return wrong(
            fmt::format("row.targets.{}.quality: expected 0 to 1, got {}", name, outcome.quality));
      if (!(outcome.cost_usd >= 0 && outcome.cost_usd <= 1e9))
        return wrong(fmt::format("row.targets.{}.cost_usd: expected 0 to 1e9, got {}", name,
                                 outcome.cost_usd));
      if (outcome.latency_ms && !(*outcome.latency_ms >= 0 && *outcome.latency_ms <= 1e12))
        return wrong(fmt::format("row.targets.{}.latency_ms: expected 0 to 1e12, got {}", name,
                                 *outcome.latency_ms));
    }
    rows.push_back(std::move(*row));
  }
  return rows;
}

SimulationReport simulate(const std::vector<RecordedRequest>& rows,
                          const std::vector<RecordedRequest>& training,
                          const SimulationOptions& options) {
  const Policy policy = with_targets(options.policy, rows, options.success_usd);
  size_t n_outcomes = rows.size();
  for (const RecordedRequest& row : training) n_outcomes += row.targets.size();
  constexpr size_t kMostOutcomes = 1 << 17;
  Estimator estimator(std::clamp<size_t>(n_outcomes, 1, kMostOutcomes));
  train(estimator, training);

  SimulationReport report;
  for (const Target& target : policy.targets) {
    if (target.efforts.empty()) report.share[target.name] = 0;
    for (const EffortChoice& choice : target.efforts)
      report.share[outcome_name(target.name, choice.effort)] = 0;
  }
  ExplorationAccount account;
  Random random(options.seed);
  std::vector<double> got;  // utility, row by row
  for (const RecordedRequest& row : rows) {
    const Terms terms = terms_of_row(row);
    estimator.meet(terms);
    const Estimator::Look look = estimator.look(terms);
    RequestFacts facts = facts_of(row, terms, options.model);
    const auto n_to_come = static_cast<double>(rows.size() - got.size());
    if (may_explore(policy.explore, facts.task))
      facts.exploration = {random.unit(), account.allowance_usd(policy.explore, n_to_come),
                           n_to_come};
    std::vector<TargetState> states(policy.targets.size());
    auto set = [&](const std::string& name, auto& state) {
      state.belief = estimator.belief(name, look);
      if (!row.targets.contains(name)) state.down = "the row has no outcome of it";
    };
    for (size_t i = 0; i < states.size(); ++i) {
      const Target& target = policy.targets[i];
      make_levels(facts, policy, target, states[i]);
      if (states[i].efforts.empty()) set(target.name, states[i]);
      for (EffortState& level : states[i].efforts)
        set(outcome_name(target.name, level.effort), level);
    }
    const Decision decision = decide(facts, policy, states);
    account.add(decision);
    ++report.router.n_rows;
    if (decision.refused_as) {
      ++report.n_refused;
      got.push_back(0);
    } else {
      const auto chosen =
          static_cast<size_t>(std::ranges::find(policy.targets, decision.target, &Target::name) -
                              policy.targets.begin());
      const std::string name = outcome_name(decision.target, states[chosen], decision.effort);
      const RecordedOutcome& outcome = row.targets.at(name);
      add(report.router, outcome, options.success_usd);
      got.push_back(utility(outcome, options.success_usd));
      report.share[name] += 1;
      report.n_explored += decision.is_exploring;
      estimator.learn(name, look, learnable(outcome));
    }

    const RecordedOutcome* most = nullptr;
    for (const auto& [name, outcome] : row.targets) {
      Sums& fixed = report.fixed[name];
      ++fixed.n_rows;
      add(fixed, outcome, options.success_usd);
      add(report.random, outcome, options.success_usd,
          1.0 / static_cast<double>(row.targets.size()));
      if (!most || utility(outcome, options.success_usd) > utility(*most, options.success_usd))
        most = &outcome;
    }
    ++report.random.n_rows;
    ++report.oracle.n_rows;
    add(report.oracle, *most, options.success_usd);
  }
  for (auto& [name, share] : report.share)
    share /= std::max<double>(1, static_cast<double>(rows.size()));
  report.advantage = compare(rows, got, report, options);
  return report;
}

}  // namespace hearth::router
