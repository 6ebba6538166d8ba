#include "learning/quality_model.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hearth::router {

namespace {

// Inverse prior precisions: of 1/n, n outcomes speak as loud as the prior does; 0 is no weight at
// all. A ridge's `chance` is what it is trusted with before any outcome: little where it has much
// to learn.
struct Ridge {
  float shared_words, shared_traits, own_words, own_traits;
  double chance;
};
constexpr float kShared = 1 / 10.0f;
constexpr std::array<Ridge, 8> kRidge = {{
    {0, 0, 0, 0, 0.4},
    {kShared, kShared, 0, 0, 0.4},
    {kShared, kShared, 0, 1 / 10.0f, 0.05},
    {kShared, kShared, 0, 1 / 3.0f, 0.05},
    {kShared, kShared, 1 / 60.0f, 1 / 30.0f, 0.05},
    {kShared, kShared, 1 / 25.0f, 1 / 15.0f, 0.05},
    {kShared, kShared, 1 / 10.0f, 1 / 10.0f, 0.05},
    {kShared, kShared, 1 / 4.0f, 1 / 4.0f, 0.05},
}};
constexpr float kSharedBiasPrecision = 0.2f;  // nothing is known of how hard the work is
constexpr float kTargetBiasPrecision = 3;     // targets differ by about 0.2

constexpr float kPriorMean = 0.5f;
constexpr int kRevisits = 12;
constexpr double kForgetting = 0.9995;  // of evidence, an outcome
constexpr double kEvidence = 2;         // of a squared error: half of its inverse noise, to hedge

bool is_trait(const Term& term) { return term.slot >= kWordSlots; }

}  // namespace

QualityModel::QualityModel(size_t max_samples) : max_samples_(max_samples) {
  for (size_t i = 0; i < kRidges; ++i) log_evidence_[i] = std::log(kRidge[i].chance);
}

uint32_t QualityModel::add_target() {
  targets_.emplace_back();
  return static_cast<uint32_t>(targets_.size() - 1);
}

// Half a megabyte and more for each target, and most who are routed for never judge an answer.
void QualityModel::make_room() {
  if (targets_.size() + 1 <= n_blocks_) return;
  const size_t n_before = n_blocks_;
  n_blocks_ = std::max<size_t>(4, std::bit_ceil(targets_.size() + 1));
  std::vector<Lanes> weights(kTermSlots * n_blocks_);
  std::vector<float> sums(kTermSlots * n_blocks_);
  for (size_t slot = 0; slot < kTermSlots && n_before; ++slot)
    for (size_t block = 0; block < n_before; ++block) {
      weights[slot * n_blocks_ + block] = weights_[slot * n_before + block];
      sums[slot * n_blocks_ + block] = sums_[slot * n_before + block];
    }
  weights_ = std::move(weights);
  sums_ = std::move(sums);
}

QualityModel::Lanes QualityModel::predict_lanes(uint32_t target, const Vector& x) const {
  Lanes sum;
  for (size_t i = 0; i < kRidges; ++i)
    sum[i] = kPriorMean + targets_[target].above + shared_bias_[i] + targets_[target].bias[i];
  if (n_blocks_ == 0) return sum;
  const bool has_own = target + 1 < n_blocks_;  // else nothing was learned since it came
  for (const Term& term : x) {
    const Lanes& shared = weights(term.slot, 0);
    const Lanes own = has_own ? weights(term.slot, target + 1) : Lanes{};
    for (size_t i = 0; i < kRidges; ++i) sum[i] += term.weight * (shared[i] + own[i]);
  }
  return sum;
}

std::array<double, QualityModel::kRidges> QualityModel::shares() const {
  std::array<double, kRidges> out;
  const double most = *std::ranges::max_element(log_evidence_);
  double sum = 0;
  for (size_t i = 0; i < kRidges; ++i) sum += out[i] = std::exp(log_evidence_[i] - most);
  for (double& share : out) share /= sum;
  return out;
}

Spread QualityModel::predict(uint32_t target, const Vector& x) const {
  const Lanes means = predict_lanes(target, x);
  const auto share = shares();
  double mean = 0;
  for (size_t i = 0; i < kRidges; ++i) mean += share[i] * means[i];
  const double noise = std::clamp(squared_error_ / n_errors_, 0.01, 0.25);
  return {std::clamp(mean, 0.0, 1.0),
          1 / std::sqrt(1 / kTargetVariance + targets_[target].n_seen / noise)};
}

void QualityModel::move(const Sample& sample, const Lanes& by) {
  Lanes shared_step[2], own_step[2];  // of words, of traits
  for (size_t i = 0; i < kRidges; ++i) {
    shared_step[0][i] = by[i] * kRidge[i].shared_words;
    shared_step[1][i] = by[i] * kRidge[i].shared_traits;
    own_step[0][i] = by[i] * kRidge[i].own_words;
    own_step[1][i] = by[i] * kRidge[i].own_traits;
  }
  for (const Term& term : *sample.x) {
    Lanes& shared = weights(term.slot, 0);
    Lanes& own = weights(term.slot, sample.target + 1);
    const bool trait = is_trait(term);
    for (size_t i = 0; i < kRidges; ++i) {
      shared[i] += term.weight * shared_step[trait][i];
      own[i] += term.weight * own_step[trait][i];
    }
  }
  // What the words now say of every outcome, summed for each target.
  const size_t n = targets_.size();
  along_.assign(2 * n, 0);
  for (const Term& term : *sample.x) {
    float* along = &along_[is_trait(term) ? n : 0];
    const float* sums = &sums_[term.slot * n_blocks_];
    for (size_t t = 0; t < n; ++t) along[t] += term.weight * sums[t];
  }
  for (size_t t = 0; t < n; ++t)
    for (size_t i = 0; i < kRidges; ++i)
      targets_[t].left[i] -= along_[t] * shared_step[0][i] + along_[n + t] * shared_step[1][i];
  Target& target = targets_[sample.target];
  for (size_t i = 0; i < kRidges; ++i)
    target.left[i] -=
        along_[sample.target] * own_step[0][i] + along_[n + sample.target] * own_step[1][i];
}

void QualityModel::count(const Sample& sample, double sign) {
  Target& target = targets_[sample.target];
  const Lanes now = predict_lanes(sample.target, *sample.x);
  for (size_t i = 0; i < kRidges; ++i) {
    const float of_words = now[i] - kPriorMean - target.above - shared_bias_[i] - target.bias[i];
    target.left[i] += sign * (sample.quality - kPriorMean - of_words);
  }
  for (const Term& term : *sample.x)
    sums_[term.slot * n_blocks_ + sample.target] += static_cast<float>(sign) * term.weight;
  target.n_seen += sign;
}

// The least of squared errors and of the levels' own, over the shared one and each target's.
void QualityModel::solve_biases() {
  for (size_t i = 0; i < kRidges; ++i) {
    double sum = 0, weight = kSharedBiasPrecision;
    for (const Target& target : targets_) {
      const double of_target = kTargetBiasPrecision / (target.n_seen + kTargetBiasPrecision);
      sum += of_target * (target.left[i] - target.n_seen * target.above);
      weight += of_target * target.n_seen;
    }
    const double shared = sum / weight;
    shared_bias_[i] = static_cast<float>(shared);
    for (Target& target : targets_)
      target.bias[i] =
          static_cast<float>((target.left[i] - target.n_seen * (target.above + shared)) /
                             (target.n_seen + kTargetBiasPrecision));
  }
}

void QualityModel::visit(Sample& sample) {
  const Lanes now = predict_lanes(sample.target, *sample.x);
  Lanes by;
  for (size_t i = 0; i < kRidges; ++i) {
    const Ridge& ridge = kRidge[i];
    const float reach = sample.word_squares * (ridge.shared_words + ridge.own_words) +
                        sample.trait_squares * (ridge.shared_traits + ridge.own_traits);
    by[i] = (sample.quality - now[i] - sample.dual[i]) / (1 + reach);
    sample.dual[i] += by[i];
  }
  move(sample, by);
  solve_biases();
}

void QualityModel::forget(const Sample& sample) {
  Lanes back;
  for (size_t i = 0; i < kRidges; ++i) back[i] = -sample.dual[i];
  move(sample, back);
  count(sample, -1);
  solve_biases();
}

void QualityModel::learn(uint32_t target, std::shared_ptr<const Vector> x, double quality) {
  make_room();
  const Lanes foretold = predict_lanes(target, *x);
  const auto share = shares();
  double mixed = 0;
  for (size_t i = 0; i < kRidges; ++i) {
    const double error = std::clamp<double>(foretold[i], 0, 1) - quality;
    const double prior = std::log(kRidge[i].chance);
    log_evidence_[i] = kForgetting * (log_evidence_[i] - prior) + prior - kEvidence * error * error;
    mixed += share[i] * foretold[i];
  }
  squared_error_ += (mixed - quality) * (mixed - quality);
  n_errors_ += 1;

  Sample sample{std::move(x), target, static_cast<float>(quality), 0, 0, {}};
  for (const Term& term : *sample.x)
    (is_trait(term) ? sample.trait_squares : sample.word_squares) += term.weight * term.weight;
  size_t at = next_;
  if (samples_.size() < max_samples_) {
    at = samples_.size();
    samples_.push_back(std::move(sample));
  } else {
    forget(samples_[at]);
    samples_[at] = std::move(sample);
    next_ = (next_ + 1) % max_samples_;
  }
  count(samples_[at], 1);
  solve_biases();
  visit(samples_[at]);
  for (int i = 0; i < kRevisits; ++i) visit(samples_[random() % samples_.size()]);
}

void QualityModel::settle(int n_passes) {
  make_room();
  for (size_t i = 0; i < static_cast<size_t>(n_passes) * samples_.size(); ++i)
    visit(samples_[random() % samples_.size()]);
}

// xorshift64*: which outcomes are visited again must not differ between two runs.
uint64_t QualityModel::random() {
  random_state_ ^= random_state_ >> 12;
  random_state_ ^= random_state_ << 25;
  random_state_ ^= random_state_ >> 27;
  return (random_state_ * 0x2545f4914f6cdd1d) >> 16;
}

}  // namespace hearth::router
