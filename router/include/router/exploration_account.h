// What exploring has cost, so that it stays within its bounds. Lives on one thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "router/decision.h"
#include "router/policy.h"

namespace hearth::router {

class ExplorationAccount {
 public:
  // What the next decision may be expected to lose: the share of all that will have been moved,
  // since what is learned early pays longest.
  double allowance_usd(const Explore& explore, double n_to_come) const {
    const double usual = n_decided_ > 0 ? moved_usd_ / n_decided_ : 0;
    return std::max(0.0, std::min(explore.share * (moved_usd_ + usual * n_to_come) - lost_usd_,
                                  explore.usd_per_day - lost_today_usd_));
  }

  // How many more there may be: nobody knows, so twice as many as there were, and a few hundred.
  double n_to_come() const { return std::max(500.0, 2 * n_decided_); }

  void add(const Decision& decision) {
    double highest = -INFINITY, chosen = -INFINITY;
    for (const Candidate& candidate : decision.candidates) {
      if (candidate.excluded_by) continue;
      highest = std::max(highest, candidate.utility_usd);
      if (candidate.target == decision.target && candidate.effort == decision.effort)
        chosen = candidate.utility_usd;
    }
    if (!std::isfinite(chosen)) return;
    n_decided_ += 1;
    moved_usd_ += std::abs(chosen);
    lost_usd_ += highest - chosen;
    lost_today_usd_ += highest - chosen;
  }

  void begin_day() { lost_today_usd_ = 0; }

 private:
  double n_decided_ = 0;
  double moved_usd_ = 0;                      // utility of all that was chosen, whatever its sign
  double lost_usd_ = 0, lost_today_usd_ = 0;  // expected
};

}  // namespace hearth::router
