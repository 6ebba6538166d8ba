#include "explore.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "learning/quality_model.h"

namespace hearth::router {

namespace {

double below(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

// The chance that the arm's utility is above those of all others: over its own density, on a grid.
double chance_of_best(const std::vector<const Candidate*>& arms, size_t arm) {
  constexpr int kSteps = 12;
  constexpr double kReach = 3;
  double chance = 0, mass = 0;
  for (int step = -kSteps; step <= kSteps; ++step) {
    const double z = kReach * step / kSteps;
    const double density = std::exp(-z * z / 2);
    const double utility = arms[arm]->utility_usd + z * arms[arm]->uncertainty_usd;
    double is_above = density;
    for (size_t other = 0; other < arms.size(); ++other)
      if (other != arm)
        is_above *= below((utility - arms[other]->utility_usd) /
                          std::max(arms[other]->uncertainty_usd, 1e-15));
    chance += is_above;
    mass += density;
  }
  return chance / mass;
}

// The mean of max(0, X - gap) for a normal X of mean 0.
double expected_excess(double gap, double sd) {
  const double z = gap / sd;
  return sd * std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi) - gap * below(-z);
}

// What trying an arm is worth, all told: over the best number of trials, what they may teach about
// the requests to come less what they are expected to lose.
double value_of_trying(double gap, double sd, double noise_sd, double n_to_come) {
  const double n_behind = noise_sd * noise_sd / (sd * sd);
  double most = -gap;
  for (double n_trials = 1; n_trials <= n_to_come; n_trials *= 2) {
    const double learned_sd = sd * std::sqrt(n_trials / (n_trials + n_behind));
    most =
        std::max(most, (n_to_come - n_trials) * expected_excess(gap, learned_sd) - n_trials * gap);
  }
  return most;
}

// How far one answer's worth lies from its target's mean.
double noise_usd(const Value& value, const Candidate& candidate) {
  const double variance = candidate.quality * (1 - candidate.quality);
  return value.success_usd * std::sqrt(std::max(0.05, variance));
}

// How much cheaper than thought it may be, where that is not known: what quality cannot account for
// of its uncertainty is its cost's.
double cost_may_fall_usd(const Value& value, const Candidate& candidate) {
  constexpr double kReachable = 3;
  const double variance = candidate.uncertainty_usd * candidate.uncertainty_usd -
                          kTargetVariance * value.success_usd * value.success_usd;
  return std::min(candidate.cost_usd, kReachable * std::sqrt(std::max(0.0, variance)));
}

}  // namespace

size_t explore(const Exploration& exploration, const Value& value, size_t best,
               std::vector<Candidate>& candidates) {
  const double highest = candidates[best].utility_usd;
  std::vector<const Candidate*> arms;
  std::vector<size_t> places;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    if (candidate.excluded_by) continue;
    if (i != best) {
      const double gap = highest - candidate.utility_usd;
      const double ceiling = candidate.utility_usd + value.success_usd * (1 - candidate.quality) +
                             cost_may_fall_usd(value, candidate);
      if (ceiling < highest || candidate.uncertainty_usd <= 0) continue;  // hopeless, or known
      if (gap > exploration.allowance_usd) continue;
      if (value_of_trying(gap, candidate.uncertainty_usd, noise_usd(value, candidate),
                          exploration.n_to_come) <= 0)
        continue;
    }
    arms.push_back(&candidate);
    places.push_back(i);
  }
  std::vector<double> chances;
  double sum = 0;
  for (size_t arm = 0; arm < arms.size(); ++arm)
    sum += chances.emplace_back(arms.size() == 1 ? 1 : chance_of_best(arms, arm));
  size_t chosen = best;
  double passed = 0;
  bool is_drawn = false;
  for (size_t arm = 0; arm < arms.size(); ++arm) {
    const double chance = sum > 0 ? chances[arm] / sum : places[arm] == best;
    candidates[places[arm]].propensity = chance;
    passed += chance;
    if (is_drawn || exploration.draw >= passed) continue;
    chosen = places[arm];
    is_drawn = true;
  }
  return chosen;
}

}  // namespace hearth::router
