// From logits to a token, in this order: logit bias, penalties, top-k, top-p, min-p, temperature,
// draw. It is the order of llama.cpp's default chain (common/sampling.cpp), on which the
// recommended values of model cards are tuned: top-p and min-p look at the probabilities before
// temperature, so that a high temperature flattens the choice among good tokens and does not let
// bad ones in.
#include "sampler/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hearth {

namespace {

constexpr size_t kPenaltyWindow = 256;
constexpr float kExcludingBias = -100.f;
constexpr float kExcluded = -std::numeric_limits<float>::infinity();

// Excludes NaN, bounds +inf, and gives the index of the first largest logit.
size_t tidy(std::span<float> logits) {
  size_t best = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) logits[i] = kExcluded;
    logits[i] = std::min(logits[i], std::numeric_limits<float>::max());
    if (logits[i] > logits[best]) best = i;
  }
  return best;
}

}  // namespace

Sampler::Sampler(SamplerSettings settings)
    : settings_(std::move(settings)), random_(settings_.seed) {}

void Sampler::accept(Token token) {
  if (recent_.size() == kPenaltyWindow) recent_.erase(recent_.begin());
  recent_.push_back(token);
}

Token Sampler::sample(std::span<float> logits) {
  if (logits.empty()) return -1;
  apply_bias(logits);
  apply_penalties(logits);
  size_t best = tidy(logits);
  if (logits[best] == kExcluded) return -1;
  if (settings_.temperature <= 0) return static_cast<Token>(best);

  if (settings_.top_k > 0 && settings_.top_k < logits.size()) {
    select_top_k(logits, settings_.top_k, candidates_);
    if (settings_.top_p < 1) cut_top_p(candidates_, settings_.top_p);
  } else if (settings_.top_p < 1) {
    select_top_p(logits, logits[best], settings_.top_p, candidates_);
  } else {
    select_all(logits, candidates_);
  }
  if (settings_.min_p > 0) {  // p >= min_p * p_best, said in logits
    float floor = logits[best] + std::log(settings_.min_p);
    std::erase_if(candidates_, [&](const Candidate& c) { return c.logit < floor; });
  }
  return draw();
}

void Sampler::apply_bias(std::span<float> logits) const {
  for (const auto& [token, bias] : settings_.logit_bias) {
    if (static_cast<size_t>(token) >= logits.size()) continue;
    logits[token] = bias <= kExcludingBias ? kExcluded : logits[token] + bias;
  }
}

// Repetition divides (or multiplies, below zero) once per distinct token; frequency and presence
// subtract per occurrence and once.
void Sampler::apply_penalties(std::span<float> logits) const {
  const SamplerSettings& s = settings_;
  if (s.repeat_penalty == 1 && s.presence_penalty == 0 && s.frequency_penalty == 0) return;
  std::vector<Token> sorted = recent_;
  std::sort(sorted.begin(), sorted.end());
  for (auto at = sorted.begin(); at != sorted.end();) {
    auto next = std::upper_bound(at, sorted.end(), *at);
    if (size_t id = static_cast<size_t>(*at); id < logits.size()) {
      float& logit = logits[id];
      logit = logit > 0 ? logit / s.repeat_penalty : logit * s.repeat_penalty;
      logit -= static_cast<float>(next - at) * s.frequency_penalty + s.presence_penalty;
    }
    at = next;
  }
}

// Inverse of the cumulative distribution. The uniform number is made by hand: the standard
// library's distributions differ between implementations, and a seed is a promise.
Token Sampler::draw() {
  float best = kExcluded;
  for (const Candidate& c : candidates_) best = std::max(best, c.logit);
  double total = 0;
  for (Candidate& c : candidates_) {
    c.logit = std::exp((c.logit - best) / settings_.temperature);
    total += static_cast<double>(c.logit);
  }
  double left = static_cast<double>(random_() >> 11) * 0x1p-53 * total;
  const Candidate* last = nullptr;
  for (const Candidate& c : candidates_) {
    if (c.logit <= 0) continue;
    last = &c;
    left -= static_cast<double>(c.logit);
    if (left < 0) break;
  }
  return last ? last->id : -1;
}

}  // namespace hearth
