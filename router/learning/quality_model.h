// How good each target's answer to a request will be, from what came of earlier ones.
//
// Problem: few outcomes, thousands of words, and an outcome is seen only of the target that was
// chosen. What decides is not how hard a request is but which target is better at it by how much.
//
// Idea: a ridge regression (the mean of a Gaussian posterior) on the request's weighted words whose
// weights are a part shared by all targets, the request's hardness, and a part of each target's
// own. A target that was seldom tried inherits the shared part, so that it does not look good at
// hard requests merely because the tried ones were seen failing there. How far to trust words at
// all differs from work to work, so eight ridges run side by side, from one that knows no words
// over those in which words tell hardness only to those in which they tell targets apart, and are
// mixed by how well each foretold what it had not yet seen (Bayesian model averaging over
// prequential errors). Only what a ridge says of the difference between targets moves a choice, so
// it must earn its place against the one that has hardness alone: where words tell nothing of it,
// the best target on the whole is what is left.
//
// Fitting: dual coordinate ascent on the words. Every outcome keeps one dual variable per ridge;
// visiting an outcome solves for its variable exactly, and a few old outcomes are visited with each
// new one, so that the model stays near the exact ridge solution online. An outcome that is too old
// is taken out again, exactly. The targets' levels are solved for exactly after each visit: left to
// the ascent they follow the last score of outcomes, and targets that are nearly equal take turns.
// Cost: about 2 us a visit at 200 words and two targets. The spread is that of a target's
// mean: what words leave open costs more to find out than it is worth (tried: the posterior's
// diagonal, which explored two to three times as much and earned less on every set).
//
// Sources: Shalev-Shwartz and Zhang, "Stochastic dual coordinate ascent", 2013; Evgeniou and
// Pontil, "Regularized multi-task learning", 2004; Dawid, "The prequential approach", 1984.
// Measured by `./dev bench routing`.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "router/decision.h"
#include "router/terms.h"

namespace hearth::router {

// Between the means of targets, before any outcome and whatever answers vary by.
constexpr double kTargetVariance = 0.08;

// Not for two threads at once.
class QualityModel {
 public:
  using Vector = std::vector<Term>;

  // Remembers so many outcomes; older ones are forgotten.
  explicit QualityModel(size_t max_samples);

  uint32_t add_target();  // 0, 1, ...
  // What is thought of a target before any outcome of it, above or below the others.
  void expect(uint32_t target, double above) { targets_[target].above = static_cast<float>(above); }
  Spread predict(uint32_t target, const Vector& x) const;
  void learn(uint32_t target, std::shared_ptr<const Vector> x, double quality);
  // Visits every outcome so many times.
  void settle(int n_passes);

 private:
  static constexpr size_t kRidges = 8;
  using Lanes = std::array<float, kRidges>;
  struct Sample {
    std::shared_ptr<const Vector> x;
    uint32_t target = 0;
    float quality = 0;
    float word_squares = 0, trait_squares = 0;  // sums of x's squared weights
    Lanes dual{};
  };
  struct Target {
    Lanes bias{};
    double n_seen = 0;
    float above = 0;
    std::array<double, kRidges> left{};  // sum over its outcomes of what words leave of quality
  };

  void make_room();  // for the weights of all targets
  Lanes predict_lanes(uint32_t target, const Vector& x) const;
  std::array<double, kRidges> shares() const;
  void visit(Sample& sample);
  void move(const Sample& sample, const Lanes& by);
  void forget(const Sample& sample);
  void count(const Sample& sample, double sign);  // into, or out of, its target's sums
  void solve_biases();
  Lanes& weights(uint32_t slot, size_t block) { return weights_[slot * n_blocks_ + block]; }
  const Lanes& weights(uint32_t slot, size_t block) const {
    return weights_[slot * n_blocks_ + block];
  }
  uint64_t random();

  const size_t max_samples_;
  size_t n_blocks_ = 0;         // room for so many weights of a slot: the shared one, the targets'
  std::vector<Lanes> weights_;  // (slot, block)
  std::vector<float> sums_;     // (slot, target): of the vectors of its outcomes
  std::vector<float> along_;    // (words or traits, target): room for move()
  Lanes shared_bias_{};
  std::vector<Target> targets_;
  std::vector<Sample> samples_;  // a ring once it is full
  size_t next_ = 0;
  std::array<double, kRidges> log_evidence_{};
  double squared_error_ = 0.2, n_errors_ = 1;  // of the mixture, before it saw
  uint64_t random_state_ = 0x9e3779b97f4a7c15;
};

}  // namespace hearth::router
