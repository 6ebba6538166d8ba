#include "explore.h"

#include <gtest/gtest.h>

#include <numeric>

namespace hearth::router {
namespace {

Candidate candidate(std::string name, double utility, double uncertainty, double quality = 0.5) {
  Candidate out;
  out.target = std::move(name);
  out.utility_usd = utility;
  out.uncertainty_usd = uncertainty;
  out.quality = quality;
  return out;
}

constexpr Value kWorthOne{.minute_usd = 0, .success_usd = 1};

TEST(Explore, GivesEqualsEqualChances) {
  std::vector<Candidate> candidates{candidate("a", 0.5, 0.2), candidate("b", 0.5, 0.2)};
  EXPECT_EQ(explore({.draw = 0.2, .allowance_usd = 1}, kWorthOne, 0, candidates), 0u);
  EXPECT_NEAR(candidates[0].propensity, 0.5, 1e-9);
  EXPECT_EQ(explore({.draw = 0.7, .allowance_usd = 1}, kWorthOne, 0, candidates), 1u);
}

// P(X > Y) for two normals has a closed form to compare with.
TEST(Explore, ChancesAreThoseOfBeingTheBest) {
  std::vector<Candidate> candidates{candidate("a", 0.6, 0.1), candidate("b", 0.5, 0.15)};
  explore({.draw = 0, .allowance_usd = 1}, kWorthOne, 0, candidates);
  const double expected = 0.5 * std::erfc(-(0.6 - 0.5) / std::hypot(0.1, 0.15) / std::sqrt(2.0));
  EXPECT_NEAR(candidates[0].propensity, expected, 0.005);
  EXPECT_NEAR(candidates[0].propensity + candidates[1].propensity, 1, 1e-9);
}

TEST(Explore, NeverTriesWhatCouldNotPayOrCostsMoreThanAllowed) {
  std::vector<Candidate> dear{candidate("a", 0.6, 0.1), candidate("b", -0.2, 0.5, 0.5)};
  EXPECT_EQ(explore({.draw = 0.999, .allowance_usd = 9}, kWorthOne, 0, dear), 0u);
  EXPECT_EQ(dear[1].propensity, 0);
  std::vector<Candidate> risky{candidate("a", 0.6, 0.1), candidate("b", 0.5, 0.5)};
  EXPECT_EQ(explore({.draw = 0.999, .allowance_usd = 0.05}, kWorthOne, 0, risky), 0u);
}

TEST(Explore, LeavesExcludedOnesOut) {
  std::vector<Candidate> candidates{candidate("a", 0.6, 0.1), candidate("b", 0.6, 0.1)};
  candidates[1].excluded_by = "label";
  EXPECT_EQ(explore({.draw = 0.99, .allowance_usd = 1}, kWorthOne, 0, candidates), 0u);
  EXPECT_EQ(candidates[0].propensity, 1);
}

TEST(Explore, DrawsAsOftenAsItSays) {
  int n_b = 0;
  for (int i = 0; i < 1000; ++i) {
    std::vector<Candidate> candidates{candidate("a", 0.6, 0.1), candidate("b", 0.55, 0.1),
                                      candidate("c", 0.3, 0.1)};
    const double draw = (i + 0.5) / 1000;
    const size_t chosen = explore({draw, 1}, kWorthOne, 0, candidates);
    n_b += chosen == 1;
    if (i == 999) EXPECT_NEAR(n_b / 1000.0, candidates[1].propensity, 0.002);
  }
}

}  // namespace
}  // namespace hearth::router
