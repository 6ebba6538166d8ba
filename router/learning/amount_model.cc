#include "learning/amount_model.h"

#include <algorithm>
#include <cmath>

namespace hearth::router {

namespace {

constexpr double kConstantPrecision = 1e-3, kSlopePrecision = 1;
constexpr double kMaxFeature = 20;  // a size so many times the first one's counts as that

}  // namespace

AmountModel::Row AmountModel::features(double n_input, double n_output) const {
  auto scaled = [](double n, double scale) {
    return scale > 0 ? std::min(n / scale, kMaxFeature) : 0.0;
  };
  return {1, scaled(n_input, input_scale_), scaled(n_output, output_scale_)};
}

// Three unknowns by elimination; the matrix is positive definite.
void AmountModel::solve(Target& target) {
  std::array<Row, 3> a = target.products;
  Row b = target.targets;
  const Row precision = {kConstantPrecision, kSlopePrecision, kSlopePrecision};
  for (size_t i = 0; i < 3; ++i) a[i][i] += precision[i];
  for (size_t i = 0; i < 3; ++i)
    for (size_t row = i + 1; row < 3; ++row) {
      const double factor = a[row][i] / a[i][i];
      for (size_t column = i; column < 3; ++column) a[row][column] -= factor * a[i][column];
      b[row] -= factor * b[i];
    }
  for (size_t i = 3; i-- > 0;) {
    double rest = b[i];
    for (size_t column = i + 1; column < 3; ++column) rest -= a[i][column] * target.line[column];
    target.line[i] = rest / a[i][i];
  }
}

std::optional<Spread> AmountModel::predict(uint32_t index, double n_input, double n_output) const {
  const Target& target = targets_[index];
  if (target.n_seen > 0) {
    const Row z = features(n_input, n_output);
    double mean = 0;
    for (size_t i = 0; i < 3; ++i) mean += z[i] * target.line[i];
    // What lies far beyond all that was seen is not believed.
    mean = std::clamp(mean, 0.5 * target.least, 2 * target.most);
    return Spread{mean, std::sqrt(target.squared_error / target.n_seen / target.n_seen)};
  }
  double n = 0, sum = 0, squares = 0;
  for (const Target& other : targets_) {
    if (other.n_seen == 0) continue;
    const double mean = other.sum / other.n_seen;
    ++n;
    sum += mean;
    squares += mean * mean;
  }
  if (n == 0) return std::nullopt;
  const double mean = sum / n;
  return Spread{mean, n < 2 ? mean : std::sqrt(std::max(0.0, squares / n - mean * mean))};
}

void AmountModel::learn(uint32_t index, double n_input, double n_output, double amount) {
  if (input_scale_ == 0) input_scale_ = n_input;
  if (output_scale_ == 0) output_scale_ = n_output;
  Target& target = targets_[index];
  const auto before = predict(index, n_input, n_output);
  if (target.n_seen > 0) target.squared_error += (amount - before->mean) * (amount - before->mean);
  target.least = target.n_seen > 0 ? std::min(target.least, amount) : amount;
  target.most = std::max(target.most, amount);
  target.n_seen += 1;
  target.sum += amount;
  const Row z = features(n_input, n_output);
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) target.products[i][j] += z[i] * z[j];
    target.targets[i] += z[i] * amount;
  }
  solve(target);
}

}  // namespace hearth::router
