#include "router/estimator.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>

#include "learning/amount_model.h"
#include "learning/quality_model.h"

namespace hearth::router {

namespace {

constexpr float kPositionWeight = 0.3f;  // of one standard deviation of size
// Dear targets are mostly better: ten times the price is taken for five right answers more in a
// hundred. Outcomes soon say more; until then a few wrong ones by chance do not condemn a dear one.
constexpr double kQualityForPrice = 0.02, kMostForPrice = 0.1;

constexpr int kLogBits = 11;
constexpr auto kLogs = [] {
  std::array<float, 1 << kLogBits> logs{};
  double log = 0;
  for (size_t n = 1; n + 1 < logs.size(); ++n) {  // by the series of atanh
    const double z = 1 / (2 * static_cast<double>(n) + 1);
    for (double power = z, k = 1; power > 1e-18; power *= z * z, k += 2) log += 2 * power / k;
    logs[n + 1] = static_cast<float>(log);
  }
  return logs;
}();

// Of a count from 1 on; of a large one to a thousandth. A library's takes longer than all else that
// is done with a word.
double log_of(uint64_t n) {
  const int above = std::max(0, static_cast<int>(std::bit_width(n)) - kLogBits);
  return kLogs[n >> above] + above * std::numbers::ln2;
}

}  // namespace

struct Estimator::Models {
  QualityModel quality;
  AmountModel cost_usd{AmountModel::Unit::token}, latency_ms{AmountModel::Unit::request},
      n_output{AmountModel::Unit::request};
};

Estimator::Estimator(size_t max_outcomes)
    : n_met_with_(kTermSlots), models_(new Models{QualityModel(max_outcomes)}) {}
Estimator::~Estimator() = default;

void Estimator::Scale::add(double size) {
  const double x = std::log2(size + 1);
  const double before = x - mean;
  n += 1;
  mean += before / n;
  squares += before * (x - mean);
}

float Estimator::Scale::position(double size) const {
  if (n < 8) return 0;
  const double sd = std::sqrt(squares / n);
  if (sd < 1e-3) return 0;
  return static_cast<float>(std::clamp((std::log2(size + 1) - mean) / sd, -2.5, 2.5));
}

void Estimator::meet(const Terms& terms) {
  ++n_met_;
  if (terms.n_input > 0) input_.add(terms.n_input);
  if (terms.n_output > 0) output_.add(terms.n_output);
  for (const Term& term : terms.words) ++n_met_with_[term.slot];
}

Estimator::Look Estimator::look(const Terms& terms) const {
  // With room for all traits and two positions; a word that is left out is written over.
  auto vector = std::make_shared<std::vector<Term>>(terms.words.size() + terms.traits.size() + 2);
  size_t n_kept = 0;
  double squares = 0;
  const double most = log_of(n_met_ + 2);
  for (const Term& term : terms.words) {
    // A word that nobody has met tells nothing yet, and takes no share from those that do.
    const uint32_t n_with = n_met_with_[term.slot];
    const double often = log_of(static_cast<uint64_t>(term.weight));
    const double rarity = std::max(most - log_of(uint64_t{n_with} + 1), 0.0);
    const double weight = n_with < 2 ? 0 : (1 + often) * rarity;
    squares += weight * weight;
    (*vector)[n_kept] = {term.slot, static_cast<float>(weight)};
    n_kept += weight > 0;
  }
  vector->resize(n_kept);
  const double to_unit = squares > 0 ? 1 / std::sqrt(squares) : 0;
  for (Term& term : *vector) term.weight *= static_cast<float>(to_unit);
  vector->insert(vector->end(), terms.traits.begin(), terms.traits.end());
  auto add_position = [&](uint32_t slot, const Scale& sizes, double size) {
    if (size > 0)
      if (const float position = sizes.position(size); position != 0)
        vector->push_back({slot, kPositionWeight * position});
  };
  add_position(kInputSlot, input_, terms.n_input);
  add_position(kOutputSlot, output_, terms.n_output);
  return {std::move(vector), terms.n_input, terms.n_output};
}

uint32_t Estimator::index_of(std::string_view target) {
  auto found = targets_.find(target);
  if (found != targets_.end()) return found->second;
  models_->cost_usd.add_target();
  models_->latency_ms.add_target();
  models_->n_output.add_target();
  return targets_[std::string(target)] = models_->quality.add_target();
}

Belief Estimator::belief(std::string_view target, const Look& look, bool with_quality) {
  const uint32_t index = index_of(target);
  Belief belief;
  if (with_quality) belief.quality = models_->quality.predict(index, *look.vector);
  belief.cost_usd = models_->cost_usd.predict(index, look.n_input, look.n_output);
  belief.latency_ms = models_->latency_ms.predict(index, look.n_input, look.n_output);
  belief.n_output = models_->n_output.predict(index, look.n_input, look.n_output);
  return belief;
}

void Estimator::learn(std::string_view target, const Look& look, const Outcome& outcome) {
  const uint32_t index = index_of(target);
  if (outcome.quality) models_->quality.learn(index, look.vector, *outcome.quality);
  if (outcome.cost_usd) {
    models_->cost_usd.learn(index, look.n_input, look.n_output, *outcome.cost_usd);
    for (uint32_t i = 0; i < targets_.size(); ++i)
      models_->quality.expect(i, std::clamp(kQualityForPrice * models_->cost_usd.above_others(i),
                                            -kMostForPrice, kMostForPrice));
  }
  if (outcome.latency_ms)
    models_->latency_ms.learn(index, look.n_input, look.n_output, *outcome.latency_ms);
  if (outcome.n_output)
    models_->n_output.learn(index, look.n_input, look.n_output, *outcome.n_output);
}

void Estimator::settle() { models_->quality.settle(4); }

}  // namespace hearth::router
