// Fits the prices of a few terms to samples, one after the other: least squares by a Kalman filter
// whose prices drift by a percent from sample to sample, so that what is seen follows the machine
// while what has not been seen for long keeps its price. Samples count relative to their size: 10 %
// of a short step weigh as much as 10 % of a long one.
//
// Lives on one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hearth::engine {

template <size_t n>
class Fit {
 public:
  // Begins at these prices, which the first samples may change as much as they like.
  explicit Fit(std::array<double, n> prices = {}) : prices_(prices) {
    for (size_t i = 0; i < n; ++i) covariance_[i][i] = kUnknown;
  }

  // What `terms` came to.
  void learn(std::span<const double, n> terms, double total) {
    if (!(total > 0)) return;
    std::array<double, n> x, gain{};
    for (size_t i = 0; i < n; ++i) x[i] = terms[i] / total;
    double spread = 0, expected = 0;  // x P x, prices x
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) gain[i] += covariance_[i][j] * x[j];
      expected += prices_[i] * x[i];
    }
    for (size_t i = 0; i < n; ++i) spread += x[i] * gain[i];
    const bool is_settled = n_seen_ >= kSettled;
    // Something else took the machine meanwhile, or nothing did for once: not the usual price.
    const double error = std::clamp(1 - expected, is_settled ? -0.5 : -2.0, is_settled ? 0.3 : 1.0);
    for (size_t i = 0; i < n; ++i) prices_[i] += gain[i] * error / (kNoise + spread);
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) covariance_[i][j] -= gain[i] * gain[j] / (kNoise + spread);
    for (size_t i = 0; i < n; ++i) {
      const double price = std::abs(prices_[i]), most = kMostDoubt * price * price;
      if (covariance_[i][i] < most) covariance_[i][i] += kDrift * kDrift * price * price;
    }
    if (is_settled) variance_ += kNewest * (error * error - variance_);
    ++n_seen_;
  }

  double price(size_t i) const { return prices_[i]; }
  double sd() const { return std::sqrt(variance_); }  // of a sample, relative
  uint32_t n_seen() const { return n_seen_; }

 private:
  static constexpr double kUnknown = 1e4, kNewest = 0.05;
  static constexpr double kNoise = 0.01;      // of a sample, relative, squared
  static constexpr double kDrift = 0.01;      // of a price, from sample to sample
  static constexpr double kMostDoubt = 0.25;  // of a price long not seen, relative, squared
  static constexpr uint32_t kSettled = 8;

  std::array<double, n> prices_;
  double covariance_[n][n] = {};
  double variance_ = 0.01;
  uint32_t n_seen_ = 0;
};

}  // namespace hearth::engine
