// Problem: each token goes through a few of many feed-forward networks. One product for each token
// and expert would read an expert's weights once per token; batches should read them once.
//
// Idea: (token, choice) pairs are sorted by expert, stably, so that each expert's rows are
// contiguous; gate and up of all experts are one grouped product, down another. The results go back
// to their tokens in the order of choice, best expert first. A row's numbers therefore depend on
// its own token only: which other tokens share an expert decides where a row lies, never what is
// added to what.
//
// Cost: two barriers for all experts together; sorting is linear.
#include "backend/cpu/experts.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace hearth::cpu {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();
// What weights are divided by at least, so that a sum of nothing is no error. Far below what a
// choice bias can make of a real sum: it may choose experts of all but no probability, whose
// weights still sum to one.
constexpr float kLeastSum = 1e-12f;

void softmax(const float* logits, size_t n, float* out) {
  const float max = *std::max_element(logits, logits + n);
  float sum = 0;
  for (size_t i = 0; i < n; i++) sum += out[i] = std::exp(logits[i] - max);
  for (size_t i = 0; i < n; i++) out[i] /= sum;
}

// The n largest of scores, the first on ties; what is not a number counts as the lowest.
void largest(std::vector<float>& scores, size_t n, uint32_t* out) {
  for (float& score : scores)
    if (!(score > kLowest)) score = std::numeric_limits<float>::lowest();
  for (size_t i = 0; i < n; i++) {
    const auto best = std::max_element(scores.begin(), scores.end());
    *best = kLowest;
    out[i] = static_cast<uint32_t>(best - scores.begin());
  }
}

// Leaves only the scores of the best groups of experts.
void keep_groups(const Router& router, std::vector<float>& scores) {
  if (router.n_groups_used >= router.n_groups) return;
  const size_t size = router.n_experts / router.n_groups;
  std::vector<float> sums(router.n_groups);
  for (size_t g = 0; g < router.n_groups; g++) {
    float best = kLowest, second = kLowest;
    for (size_t i = g * size; i < (g + 1) * size; i++) {
      if (scores[i] > best) {
        second = std::exchange(best, scores[i]);
      } else {
        second = std::max(second, scores[i]);
      }
    }
    sums[g] = size > 1 && !router.groups_by_best ? best + second : best;
  }
  std::vector<uint32_t> kept(router.n_groups_used);
  largest(sums, kept.size(), kept.data());
  for (size_t i = 0; i < scores.size(); i++)
    if (std::ranges::find(kept, i / size) == kept.end())
      scores[i] = std::numeric_limits<float>::lowest();
}

void route_one(const Router& router, const float* logits, const float* bias, uint32_t* experts,
               float* weights) {
  const size_t n = router.n_experts;
  std::vector<float> probabilities(logits, logits + n);
  if (router.gating == Gating::softmax) softmax(logits, n, probabilities.data());
  if (router.gating == Gating::sigmoid)
    for (float& p : probabilities) p = 1.0f / (1.0f + std::exp(-p));
  std::vector<float> scores = probabilities;
  for (size_t i = 0; bias != nullptr && i < n; i++) scores[i] += bias[i];
  keep_groups(router, scores);
  largest(scores, router.n_used, experts);

  for (size_t i = 0; i < router.n_used; i++) weights[i] = probabilities[experts[i]];
  if (router.gating == Gating::chosen_softmax) softmax(weights, router.n_used, weights);
  float factor = router.scale;
  if (router.normalizes)
    factor /= std::max(std::accumulate(weights, weights + router.n_used, 0.0f), kLeastSum);
  for (size_t i = 0; i < router.n_used; i++) weights[i] *= factor;
}

// The (token, choice) pairs in the order of their experts.
struct Sorted {
  std::vector<RowGroup> groups;  // of the experts that somebody chose
  std::vector<uint32_t> tokens;  // of each place
  std::vector<uint32_t> places;  // of each pair
};

Sorted sort_by_expert(const Router& router, const Choice& choice) {
  const size_t n_pairs = choice.experts.size();
  std::vector<uint32_t> next(router.n_experts + 1);
  for (uint32_t expert : choice.experts) next[expert + 1]++;
  std::partial_sum(next.begin(), next.end(), next.begin());
  Sorted sorted{.groups = {},
                .tokens = std::vector<uint32_t>(n_pairs),
                .places = std::vector<uint32_t>(n_pairs)};
  for (uint32_t expert = 0; expert < router.n_experts; expert++)
    if (next[expert] < next[expert + 1])
      sorted.groups.push_back({expert, next[expert], next[expert + 1]});
  for (size_t pair = 0; pair < n_pairs; pair++) {
    const uint32_t place = next[choice.experts[pair]]++;
    sorted.places[pair] = place;
    sorted.tokens[place] = static_cast<uint32_t>(pair / router.n_used);
  }
  return sorted;
}

void add_group_biases(const Machine& machine, std::span<const RowGroup> groups,
                      const Floats& biases, size_t width, float* y) {
  for (const RowGroup& group : groups)
    if (biases.size > 0)
      add_bias(machine, y + group.first * width, biases.data() + group.matrix * width, width,
               group.end - group.first);
}

void scale_groups(std::span<const RowGroup> groups, const Weight& stack, float* y) {
  for (const RowGroup& group : groups)
    if (stack.factors)
      for (size_t i = group.first * stack.rows; i < group.end * stack.rows; i++)
        y[i] *= stack.factors.get()[group.matrix];
}

Matrix first_of(const Weight& stack) {
  return {.type = stack.type,
          .cols = stack.cols,
          .rows = stack.rows,
          .data = stack.data.get(),
          .strip_rows = stack.strip_rows};
}

}  // namespace

Choice route(const Machine& machine, const Router& router, const float* logits, const float* bias,
             size_t n) {
  Choice choice{.experts = std::vector<uint32_t>(n * router.n_used),
                .weights = std::vector<float>(n * router.n_used)};
  constexpr size_t kTokensPerPiece = 16;
  const size_t n_pieces = (n + kTokensPerPiece - 1) / kTokensPerPiece;
  machine.pool.run(static_cast<uint32_t>(n_pieces), [&](uint32_t piece) {
    const size_t end = std::min(n, (piece + 1) * kTokensPerPiece);
    for (size_t t = piece * kTokensPerPiece; t < end; t++) {
      route_one(router, logits + t * router.n_experts, bias, &choice.experts[t * router.n_used],
                &choice.weights[t * router.n_used]);
    }
  });
  return choice;
}

void run_experts(const Machine& machine, const Backend::Experts& experts, const float* logits,
                 const float* x, size_t n, const Backend::ExpertsWorkspace& ws, float* out) {
  const size_t n_used = experts.router.n_used;
  const Choice choice = route(machine, experts.router, logits, experts.choice_bias, n);
  const Sorted sorted = sort_by_expert(experts.router, choice);
  const Matrix gate = first_of(experts.gate), up = first_of(experts.up),
               down = first_of(experts.down);

  const StackOut gate_up[] = {{&gate, ws.gate}, {&up, ws.up}};
  matmul_grouped(machine, gate_up, sorted.groups, x, n, sorted.tokens);
  scale_groups(sorted.groups, experts.gate, ws.gate);
  scale_groups(sorted.groups, experts.up, ws.up);
  add_group_biases(machine, sorted.groups, experts.gate_bias, gate.rows, ws.gate);
  add_group_biases(machine, sorted.groups, experts.up_bias, up.rows, ws.up);
  activate(machine, experts.activation, ws.gate, ws.up, n * n_used * gate.rows, ws.gate);

  std::vector<uint32_t> in_place(n * n_used);
  std::iota(in_place.begin(), in_place.end(), 0);
  const StackOut down_out[] = {{&down, ws.down}};
  matmul_grouped(machine, down_out, sorted.groups, ws.gate, n * n_used, in_place);
  scale_groups(sorted.groups, experts.down, ws.down);
  add_group_biases(machine, sorted.groups, experts.down_bias, down.rows, ws.down);

  const size_t width = down.rows;
  machine.pool.run(static_cast<uint32_t>(n), [&](uint32_t t) {
    float* to = out + t * width;
    std::fill_n(to, width, 0.0f);
    for (size_t pair = t * n_used; pair < (t + 1) * n_used; pair++) {
      const float* from = ws.down + sorted.places[pair] * width;
      for (size_t i = 0; i < width; i++) to[i] += choice.weights[pair] * from[i];
    }
  });
}

}  // namespace hearth::cpu
