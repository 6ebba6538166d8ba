#include "learning/amount_model.h"

#include <algorithm>
#include <cmath>

namespace hearth::router {

namespace {

constexpr double kConstantPrecision = 1e-3, kSlopePrecision = 0.3;
constexpr double kOutputWeight =
    3;  // tokens of an answer cost three to five times those of a prompt
constexpr double kMaxFeature = 4;
constexpr double kLeastRate = 1e-12;  // of what is free
constexpr double kFirstError = 0.25;  // of a rate that one outcome gave

}  // namespace

double AmountModel::size_of(double n_input, double n_output) const {
  if (unit_ == Unit::request) return 1;
  const double size = n_input + kOutputWeight * n_output;
  const double usual = usual_input_ + kOutputWeight * usual_output_;
  return size > 0 ? size : usual > 0 ? usual : 1;
}

AmountModel::Row AmountModel::features(double n_input, double n_output) const {
  auto relative = [](double n, double usual) {
    return n > 0 && usual > 0 ? std::min(n / usual - 1, kMaxFeature) : 0.0;
  };
  if (unit_ == Unit::request)
    return {1, relative(n_input, usual_input_), relative(n_output, usual_output_)};
  const double size = size_of(n_input, n_output);
  const double usual = usual_input_ + kOutputWeight * usual_output_;
  const double output_share = kOutputWeight * n_output / size;
  const double usual_share = usual > 0 ? kOutputWeight * usual_output_ / usual : output_share;
  return {1, relative(usual, size), 2 * (output_share - usual_share)};
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
  const double size = size_of(n_input, n_output);
  if (target.n_seen > 0) {
    const Row z = features(n_input, n_output);
    double rate = 0;
    for (size_t i = 0; i < 3; ++i) rate += z[i] * target.line[i];
    // What lies far beyond all that was seen is not believed.
    rate = std::clamp(rate, 0.5 * target.least, 2 * target.most);
    const double first = kFirstError * target.sum / target.n_seen;
    return Spread{size * rate,
                  size * std::sqrt((target.squared_error + first * first) / target.n_seen) /
                      std::sqrt(target.n_seen)};
  }
  if (!unseen_) return std::nullopt;
  return Spread{size * unseen_->mean, size * unseen_->sd};
}

// Rates differ by factors, so theirs is a geometric mean: one dear target must not make every
// unknown one look dear.
Spread AmountModel::rate_of_unseen() const {
  double n = 0, sum = 0, squares = 0;
  for (const Target& other : targets_) {
    if (other.n_seen == 0) continue;
    const double log_rate = std::log(std::max(other.sum / other.n_seen, kLeastRate));
    ++n;
    sum += log_rate;
    squares += log_rate * log_rate;
  }
  const double mean = sum / n;
  const double log_sd = n < 2 ? 1 : std::sqrt(std::max(0.0, squares / n - mean * mean));
  const double rate = std::exp(mean);
  return {rate, rate * std::clamp(log_sd, 0.0, 2.0)};
}

double AmountModel::above_others(uint32_t index) const {
  const Target& target = targets_[index];
  if (target.n_seen == 0) return 0;
  return std::log(std::max(target.sum / target.n_seen, kLeastRate) / unseen_->mean);
}

void AmountModel::learn(uint32_t index, double n_input, double n_output, double amount) {
  if (usual_input_ == 0) usual_input_ = n_input;
  if (usual_output_ == 0) usual_output_ = n_output;
  Target& target = targets_[index];
  const double size = size_of(n_input, n_output);
  const double rate = amount / size;
  if (target.n_seen > 0) {
    const double error = rate - predict(index, n_input, n_output)->mean / size;
    target.squared_error += error * error;
  }
  target.least = target.n_seen > 0 ? std::min(target.least, rate) : rate;
  target.most = std::max(target.most, rate);
  target.n_seen += 1;
  target.sum += rate;
  const Row z = features(n_input, n_output);
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) target.products[i][j] += z[i] * z[j];
    target.targets[i] += z[i] * rate;
  }
  solve(target);
  unseen_ = rate_of_unseen();
}

}  // namespace hearth::router
