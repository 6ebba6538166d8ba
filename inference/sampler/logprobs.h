// How probable the model itself holds tokens to be, from its logits as they come: before biases,
// penalties, filters and grammars. Lives on the engine thread; kept for its memory.
#pragma once

#include <span>
#include <vector>

#include "sampler/candidates.h"

namespace hearth {

class Logprobs {
 public:
  // Takes in the logits of one place, and finds its `n_top` best tokens.
  void look(std::span<const float> logits, size_t n_top);

  // Natural logarithm of the probability; a token that cannot come has the lowest number there is.
  float of(Token token) const;
  // Best first, with their logprob in place of the logit.
  std::span<const Candidate> top() const { return top_; }

 private:
  float logprob(float logit) const;

  std::vector<float> logits_;
  std::vector<Candidate> top_;
  double log_sum_ = 0;
};

}  // namespace hearth
