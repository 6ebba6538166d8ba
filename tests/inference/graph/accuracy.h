// How far logits are from a reference, in units that mean the same for every model.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace hearth::testing {

// The largest difference, in standard deviations of the reference.
inline double max_error_in_std(std::span<const float> actual, std::span<const float> expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double sum = 0, squares = 0, worst = 0;
  for (size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    sum += expected[i];
    squares += double{expected[i]} * expected[i];
    const double error = std::abs(double{actual[i]} - expected[i]);
    if (!(error <= worst)) worst = error;  // NaN sticks
  }
  const double n = static_cast<double>(expected.size());
  return worst / std::sqrt(squares / n - (sum / n) * (sum / n));
}

// Mean over the rows of KL(reference || actual) of the softmax distributions, in nats.
inline double mean_kl(std::span<const float> actual, std::span<const float> expected,
                      size_t n_vocab) {
  const auto log_sum = [](std::span<const float> row) {
    const double top = *std::ranges::max_element(row);
    double sum = 0;
    for (const float logit : row) sum += std::exp(logit - top);
    return top + std::log(sum);
  };
  double total = 0;
  for (size_t start = 0; start < expected.size(); start += n_vocab) {
    const auto p = expected.subspan(start, n_vocab), q = actual.subspan(start, n_vocab);
    const double p_sum = log_sum(p), q_sum = log_sum(q);
    for (size_t i = 0; i < n_vocab; ++i)
      total += std::exp(p[i] - p_sum) * ((p[i] - p_sum) - (q[i] - q_sum));
  }
  return total / (static_cast<double>(expected.size()) / static_cast<double>(n_vocab));
}

}  // namespace hearth::testing
