#include "router/estimator.h"

#include <algorithm>
#include <cmath>

#include "learning/amount_model.h"
#include "learning/quality_model.h"

namespace hearth::router {

namespace {

constexpr float kPositionWeight = 0.3f;  // of one standard deviation of size
// Dear targets are mostly better: ten times the price is taken for five right answers more in a
// hundred. Outcomes soon say more; until then a few wrong ones by chance do not condemn a dear one.
constexpr double kQualityForPrice = 0.02, kMostForPrice = 0.1;

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
  auto vector = std::make_shared<std::vector<Term>>();
  vector->reserve(terms.words.size() + terms.traits.size());
  double squares = 0;
  for (const Term& term : terms.words) {
    // A word that nobody has met tells nothing yet, and takes no share from those that do.
    if (n_met_with_[term.slot] < 2) continue;
    const double rarity = std::log((static_cast<double>(n_met_) + 2) /
                                   (static_cast<double>(n_met_with_[term.slot]) + 1));
    const double often = term.weight == 1 ? 0 : std::log(term.weight);
    const double weight = (1 + often) * std::max(rarity, 0.0);
    if (weight <= 0) continue;
    squares += weight * weight;
    vector->push_back({term.slot, static_cast<float>(weight)});
  }
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
