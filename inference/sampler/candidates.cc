// Selecting the best tokens of a large vocabulary.
//
// Problem: vocabularies have 32k to 262k entries and a token needs a few dozen of them; sorting
// them all costs 10-25 ms per token, more than a small model's forward pass.
//
// top-k: keep a buffer of 2k candidates and the logit of the k-th best so far. Most tokens lose
// against that bar in one comparison; when the buffer is full, nth_element halves it and raises the
// bar. O(n + k log k), one pass, memory 2k.
//
// top-p without top-k: the mass of the whole vocabulary is needed (one pass of exp), but only its
// head in order. Candidates within kNearBest of the best are gathered first, which nearly always
// holds enough mass; the head is sorted in growing pieces, each cut off by nth_element, until the
// mass is reached. Only a nearly flat distribution touches all of it.
//
// Source: selection by nth_element is Hoare's FIND (1961); the filters are those of Holtzman et
// al., "The Curious Case of Neural Text Degeneration" (2019).
#include "sampler/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hearth {

namespace {

constexpr float kNearBest = 10.f;    // e^-10: 0.005 % of the best token's probability
constexpr float kNegligible = 40.f;  // e^-40 times any vocabulary is below a float's precision
constexpr size_t kFirstPiece = 256;

double mass_of(float logit, float best) {
  float below = best - logit;
  return below < kNegligible ? std::exp(-below) : 0.0;
}

// Extends the sorted head of `list` piece by piece until it holds `wanted` mass, and drops the
// rest.
bool keep_head(std::vector<Candidate>& list, float best, double wanted) {
  double mass = 0;
  for (size_t sorted = 0; sorted < list.size();) {
    size_t next = std::min(list.size(), std::max(kFirstPiece, sorted * 4));
    auto begin = list.begin() + sorted, end = list.begin() + next;
    if (end != list.end()) std::nth_element(begin, end, list.end(), is_better);
    std::sort(begin, end, is_better);
    for (; sorted < next; ++sorted) {
      mass += mass_of(list[sorted].logit, best);
      if (mass < wanted) continue;
      list.resize(sorted + 1);
      return true;
    }
  }
  return false;
}

}  // namespace

void select_top_k(std::span<const float> logits, size_t k, std::vector<Candidate>& out) {
  out.clear();
  float bar = -std::numeric_limits<float>::infinity();  // ids ascend: an equal logit comes too late
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > bar)) continue;
    out.push_back({logits[i], static_cast<Token>(i)});
    if (out.size() < 2 * k) continue;
    std::nth_element(out.begin(), out.begin() + (k - 1), out.end(), is_better);
    out.resize(k);
    bar = out.back().logit;
  }
  if (out.size() > k) {
    std::nth_element(out.begin(), out.begin() + (k - 1), out.end(), is_better);
    out.resize(k);
  }
  std::sort(out.begin(), out.end(), is_better);
}

void select_all(std::span<const float> logits, std::vector<Candidate>& out) {
  out.clear();
  for (size_t i = 0; i < logits.size(); ++i)
    if (logits[i] != -std::numeric_limits<float>::infinity())
      out.push_back({logits[i], static_cast<Token>(i)});
}

void select_top_p(std::span<const float> logits, float best, float top_p,
                  std::vector<Candidate>& out) {
  out.clear();
  double total = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    total += mass_of(logits[i], best);
    if (logits[i] >= best - kNearBest) out.push_back({logits[i], static_cast<Token>(i)});
  }
  double wanted = total * static_cast<double>(top_p);
  if (keep_head(out, best, wanted)) return;
  select_all(logits, out);
  keep_head(out, best, wanted);  // rounding may leave it just short: then all of it is the answer
}

void cut_top_p(std::vector<Candidate>& sorted, float top_p) {
  if (sorted.empty()) return;
  float best = sorted.front().logit;
  double total = 0;
  for (const Candidate& c : sorted) total += mass_of(c.logit, best);
  double mass = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    mass += mass_of(sorted[i].logit, best);
    if (mass >= total * static_cast<double>(top_p)) return sorted.resize(i + 1);
  }
}

}  // namespace hearth
