// The best tokens of a vocabulary, without sorting the vocabulary. See candidates.cc for how.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "inference/message.h"

namespace hearth {

struct Candidate {
  float logit;
  Token id;
};

// Higher logit first, lower id on ties: a total order, so that every selection is deterministic.
inline bool is_better(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// All of these pass over -inf (excluded tokens) and want no NaN and no +inf. `best` is the largest
// logit. The result replaces what `out` held.

// The k best, best first.
void select_top_k(std::span<const float> logits, size_t k, std::vector<Candidate>& out);

// The fewest best tokens, best first, that hold at least `top_p` of the probability.
void select_top_p(std::span<const float> logits, float best, float top_p,
                  std::vector<Candidate>& out);

// Every token, in order of id.
void select_all(std::span<const float> logits, std::vector<Candidate>& out);

// Shortens a list that is sorted best first to the shortest head holding `top_p` of its
// probability.
void cut_top_p(std::vector<Candidate>& sorted, float top_p);

}  // namespace hearth
