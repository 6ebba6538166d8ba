#include "sampler/logprobs.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hearth {

namespace {

constexpr float kExcluded = -std::numeric_limits<float>::infinity();
constexpr float kLowest = std::numeric_limits<float>::lowest();  // JSON has no infinity

}  // namespace

void Logprobs::look(std::span<const float> logits, size_t n_top) {
  logits_.assign(logits.begin(), logits.end());
  float best = kExcluded;
  for (float& logit : logits_) {
    if (std::isnan(logit)) logit = kExcluded;
    logit = std::min(logit, std::numeric_limits<float>::max());
    best = std::max(best, logit);
  }
  double sum = 0;
  for (float logit : logits_)
    if (logit != kExcluded) sum += std::exp(static_cast<double>(logit) - best);
  log_sum_ = sum > 0 ? best + std::log(sum) : 0;
  top_.clear();
  if (n_top > 0) select_top_k(logits_, n_top, top_);
  for (Candidate& candidate : top_) candidate.logit = logprob(candidate.logit);
}

float Logprobs::of(Token token) const {
  const size_t id = static_cast<size_t>(token);
  return id < logits_.size() ? logprob(logits_[id]) : kLowest;
}

float Logprobs::logprob(float logit) const {
  if (logit == kExcluded) return kLowest;
  return static_cast<float>(static_cast<double>(logit) - log_sum_);
}

}  // namespace hearth
