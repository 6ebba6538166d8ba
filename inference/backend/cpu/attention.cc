// Causal attention over the paged KV cache, flash style.
//
// Problem: scores of a long context do not fit in cache, and a request must give the same bits
// alone, in a batch, and whether its prompt came in one piece or many. Idea: an online softmax that
// visits the sequence page by page in order of absolute position; within a page, what a query
// computes depends only on its own position and window. So rows may be grouped freely for speed:
// queries of neighbouring tokens and of all heads that share a KV head form one block, which reads
// and converts each page once.
//
// Cost: 4 * head_dim operations per query, head and visible position; a page of K and V in float32
// (32 KB at head_dim 64) stays in the second-level cache while the block uses it.
// Source: Dao et al., FlashAttention (2022).
#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/kernels.h"
#include "backend/cpu/kv_page.h"
#include "backend/cpu/ops.h"
#include "backend/cpu/scratch.h"
#include "gguf/quant.h"

namespace hearth::cpu {
namespace {

// Queries (tokens times heads) of one block: their scores and sums stay in cache.
constexpr size_t kBlockQueries = 48;

// Consecutive tokens of one sequence.
struct RowBlock {
  size_t first, end;
};

// Positions that a row sees: [first, end).
struct Visible {
  size_t first, end;
  bool operator==(const Visible&) const = default;
};

Visible visible_to(const AttentionRow& row, const AttentionShape& shape) {
  const size_t end = size_t{row.position} + 1;
  const size_t first = shape.window != 0 && end > shape.window ? end - shape.window : 0;
  return {first, end};
}

// The part of it in one page, relative to the page's start. Empty: first >= end.
Visible within_page(const Visible& all, size_t page_start) {
  const size_t first = std::max(all.first, page_start);
  const size_t end = std::min(all.end, page_start + kPageTokens);
  return end > first ? Visible{first - page_start, end - page_start} : Visible{0, 0};
}

std::vector<RowBlock> blocks_of(std::span<const AttentionRow> rows, size_t max_rows) {
  std::vector<RowBlock> blocks;
  for (size_t i = 0; i < rows.size(); i++) {
    const bool continues = i > 0 && rows[i].pages.data() == rows[i - 1].pages.data() &&
                           rows[i].position == rows[i - 1].position + 1 &&
                           i - blocks.back().first < max_rows;
    if (!continues) blocks.push_back({i, i});
    blocks.back().end = i + 1;
  }
  return blocks;
}

// Few queries read a page of f16 as it is; for more it is converted once.
constexpr size_t kDirectQueries = 6;

// One page's keys or values, ready for a kernel.
template <class Kernel>
struct PagePart {
  const uint8_t* data;
  Kernel kernel;
  size_t row_bytes = 0;  // of the values of one position
};

// `room`: for all of the page's keys as float32.
PagePart<Score> keys_of(const Kernels& kernels, const AttentionShape& shape, const std::byte* page,
                        const KvPlaces& places, size_t kv_head, size_t n_queries, float* room) {
  const auto* keys = reinterpret_cast<const uint8_t*>(page + places.keys(kv_head));
  const size_t k_dim = shape.k_dim;
  switch (shape.element) {
    case KvElement::f32: return {keys, kernels.score_f32};
    case KvElement::f16:
      if (n_queries <= kDirectQueries) return {keys, kernels.score_f16};
      kernels.f16_to_f32(keys, k_dim * kPageTokens, room);
      break;
    case KvElement::q8_0: {
      float scales[kPageTokens];
      const uint8_t* quants = keys + k_dim / 32 * kPageTokens * 2;
      for (size_t d = 0; d < k_dim; d++) {
        if (d % 32 == 0) kernels.f16_to_f32(keys + d / 32 * kPageTokens * 2, kPageTokens, scales);
        for (size_t p = 0; p < kPageTokens; p++) {
          const size_t at = d * kPageTokens + p;
          room[at] = static_cast<float>(static_cast<int8_t>(quants[at])) * scales[p];
        }
      }
    }
  }
  return {reinterpret_cast<const uint8_t*>(room), kernels.score_f32};
}

// Values from the first seen position on.
PagePart<WeightedSum> values_of(const Kernels& kernels, const AttentionShape& shape,
                                const std::byte* page, const KvPlaces& places, size_t kv_head,
                                const Visible& seen, size_t n_queries, float* room) {
  const std::byte* values = page + places.value(kv_head, seen.first);
  const auto* bytes = reinterpret_cast<const uint8_t*>(values);
  const size_t n = (seen.end - seen.first) * shape.v_dim;
  switch (shape.element) {
    case KvElement::f32: return {bytes, kernels.weighted_sum_f32, size_t{4} * shape.v_dim};
    case KvElement::f16:
      if (n_queries <= kDirectQueries)
        return {bytes, kernels.weighted_sum_f16, size_t{2} * shape.v_dim};
      kernels.f16_to_f32(bytes, n, room);
      break;
    case KvElement::q8_0: gguf::dequantize_row(gguf::Type::q8_0, values, n, room); break;
  }
  return {reinterpret_cast<const uint8_t*>(room), kernels.weighted_sum_f32,
          size_t{4} * shape.v_dim};
}

// One call's arguments.
struct Call {
  const Kernels& kernels;
  const AttentionShape& shape;
  std::span<const AttentionRow> rows;
  const float* q;
  size_t q_stride;
  float* out;
  size_t out_stride;

  size_t group() const { return shape.n_heads / shape.n_kv_heads; }
};

// All queries of a block's tokens that read one KV head.
void attend(const Call& call, const RowBlock& block, size_t kv_head) {
  thread_local Scratch scratch;
  const AttentionShape& shape = call.shape;
  const size_t k_dim = shape.k_dim, v_dim = shape.v_dim, group = call.group();
  const size_t n_rows = block.end - block.first, n_queries = n_rows * group;
  const size_t first_head = kv_head * group;

  float* queries = scratch.reserve<float>(n_queries * (k_dim + v_dim + kPageTokens + 1) +
                                          kPageTokens * (k_dim + v_dim));
  float* sums = queries + n_queries * k_dim;              // (n_queries, v_dim): weighted values
  float* scores = sums + n_queries * v_dim;               // (n_queries, kPageTokens)
  float* corrections = scores + n_queries * kPageTokens;  // (n_queries)
  float* value_room = corrections + n_queries;            // (kPageTokens, v_dim)
  float* key_room = value_room + kPageTokens * v_dim;     // (k_dim, kPageTokens)
  std::fill_n(sums, n_queries * v_dim, 0.0f);
  std::vector<SoftmaxState> states(n_queries, SoftmaxState{-INFINITY, 0});
  // A sink is a score that was seen before all others and whose value is zero.
  for (size_t j = 0; shape.sinks != nullptr && j < n_queries; j++) {
    states[j] = {shape.sinks[first_head + j % group], 1};
  }
  for (size_t i = 0; i < n_rows; i++) {
    const float* from = call.q + (block.first + i) * call.q_stride + first_head * k_dim;
    std::copy_n(from, group * k_dim, queries + i * group * k_dim);
  }

  // Positions ascend within a block: its rows together see from the first's first to the last's
  // end.
  const std::span<const AttentionRow> rows = call.rows.subspan(block.first, n_rows);
  const Visible all{visible_to(rows.front(), shape).first, visible_to(rows.back(), shape).end};
  const KvPlaces places(shape);
  for (size_t page = all.first / kPageTokens; page * kPageTokens < all.end; page++) {
    const size_t start = page * kPageTokens;
    const Visible seen = within_page(all, start);
    const std::byte* data = rows.back().pages[page];
    const auto keys = keys_of(call.kernels, shape, data, places, kv_head, n_queries, key_room);
    const auto values =
        values_of(call.kernels, shape, data, places, kv_head, seen, n_queries, value_room);
    keys.kernel(keys.data, seen.first, seen.end, k_dim, queries, n_queries, scores);
    // Rows that see the same part of the page go together.
    for (size_t i = 0, end = 0; i < n_rows; i = end) {
      const Visible own = within_page(visible_to(rows[i], shape), start);
      for (end = i + 1; end < n_rows; end++)
        if (within_page(visible_to(rows[end], shape), start) != own) break;
      if (own.first >= own.end) continue;
      const size_t n_own = own.end - own.first, first_query = i * group;
      for (size_t j = first_query; j < end * group; j++) {
        corrections[j] = call.kernels.softmax_tile(scores + j * kPageTokens + own.first, n_own,
                                                   shape.scale, shape.softcap, states[j]);
      }
      values.kernel(scores + first_query * kPageTokens + own.first, (end - i) * group,
                    corrections + first_query,
                    values.data + (own.first - seen.first) * values.row_bytes, n_own, v_dim,
                    sums + first_query * v_dim);
    }
  }

  for (size_t i = 0; i < n_rows; i++) {
    float* to = call.out + (block.first + i) * call.out_stride + first_head * v_dim;
    for (size_t j = i * group; j < (i + 1) * group; j++, to += v_dim) {
      const float total = states[j].sum;
      for (size_t d = 0; d < v_dim; d++) to[d] = sums[j * v_dim + d] / total;
    }
  }
}

}  // namespace

void attention(const Machine& machine, const AttentionShape& shape,
               std::span<const AttentionRow> rows, const float* q, size_t q_stride, float* out,
               size_t out_stride) {
  if (rows.empty()) return;
  const Call call{kernels_of(machine.path), shape, rows, q, q_stride, out, out_stride};
  // Large blocks read the cache less often, but every worker should have a few.
  const size_t for_all = rows.size() * shape.n_kv_heads / (4 * machine.pool.size());
  const size_t max_rows =
      std::clamp<size_t>(for_all, 1, std::max<size_t>(1, kBlockQueries / call.group()));
  const std::vector<RowBlock> blocks = blocks_of(rows, max_rows);
  machine.pool.run(static_cast<uint32_t>(blocks.size() * shape.n_kv_heads), [&](uint32_t i) {
    attend(call, blocks[i / shape.n_kv_heads], i % shape.n_kv_heads);
  });
}

}  // namespace hearth::cpu
