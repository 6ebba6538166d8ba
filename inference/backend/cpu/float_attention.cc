// Attention over pages of float32.
//
// Cost: 4 * head_dim operations per query, head and visible position; a page of K and V in float32
// (32 KB at head_dim 64) stays in the second-level cache while the block uses it.
#include <cmath>
#include <vector>

#include "backend/cpu/attention_block.h"
#include "backend/cpu/kv_page.h"
#include "backend/cpu/scratch.h"

namespace hearth::cpu {

void attend_floats(const AttentionCall& call, const RowBlock& block, size_t kv_head) {
  thread_local Scratch scratch;
  const AttentionShape& shape = call.shape;
  const size_t k_dim = shape.k_dim, v_dim = shape.v_dim, group = call.group();
  const size_t n_rows = block.end - block.first, n_queries = n_rows * group;
  const size_t first_head = kv_head * group;

  float* queries = scratch.reserve<float>(n_queries * (k_dim + v_dim + kPageTokens + 1));
  float* sums = queries + n_queries * k_dim;              // (n_queries, v_dim): weighted values
  float* scores = sums + n_queries * v_dim;               // (n_queries, kPageTokens)
  float* corrections = scores + n_queries * kPageTokens;  // (n_queries)
  std::fill_n(sums, n_queries * v_dim, 0.0f);
  std::vector<SoftmaxState> states(n_queries, SoftmaxState{-INFINITY, 0});
  // A sink is a score that was seen before all others and whose value is zero.
  for (size_t j = 0; shape.sinks != nullptr && j < n_queries; j++) {
    states[j] = {shape.sinks[first_head + j % group], 1};
  }
  for (size_t i = 0; i < n_rows; i++)
    std::copy_n(call.query(block.first + i, first_head), group * k_dim,
                queries + i * group * k_dim);

  const std::span<const AttentionRow> rows = call.rows.subspan(block.first, n_rows);
  const Visible all = visible_to(rows, shape);
  const KvPlaces places(shape);
  for (size_t page = all.first / kPageTokens; page * kPageTokens < all.end; page++) {
    const size_t start = page * kPageTokens;
    const Visible seen = within_page(all, start);
    const auto* data = reinterpret_cast<const uint8_t*>(rows.back().pages[page]);
    const uint8_t* keys = data + places.keys(kv_head);
    const uint8_t* values = data + places.values(kv_head);
    call.kernels.score(keys, seen.first, seen.end, k_dim, queries, n_queries, scores);
    // Rows that see the same part of the page go together.
    for (size_t i = 0, end = 0; i < n_rows; i = end) {
      const Visible own = within_page(visible_to(rows[i], shape), start);
      for (end = i + 1; end < n_rows; end++)
        if (within_page(visible_to(rows[end], shape), start) != own) break;
      if (own.is_empty()) continue;
      const size_t n_own = own.end - own.first, first_query = i * group;
      for (size_t j = first_query; j < end * group; j++) {
        corrections[j] = call.kernels.softmax_tile(scores + j * kPageTokens + own.first, n_own,
                                                   shape.scale, shape.softcap, states[j]);
      }
      call.kernels.weighted_sum(scores + first_query * kPageTokens + own.first, (end - i) * group,
                                corrections + first_query,
                                values + own.first * v_dim * sizeof(float), n_own, v_dim,
                                sums + first_query * v_dim);
    }
  }

  for (size_t i = 0; i < n_rows; i++) {
    float* to = call.result(block.first + i, first_head);
    for (size_t j = i * group; j < (i + 1) * group; j++, to += v_dim) {
      const float total = states[j].sum;
      for (size_t d = 0; d < v_dim; d++) to[d] = sums[j * v_dim + d] / total;
    }
  }
}

}  // namespace hearth::cpu
