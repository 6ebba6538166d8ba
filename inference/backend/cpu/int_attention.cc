// Attention over pages of integers.
//
// Problem: with a long context nearly all of a prompt's time is attention, and in float32 that runs
// at the vector units' peak. Idea: processors multiply pairs of 16-bit integers twice as fast, and
// integer sums are exact, so that they can be cut as they run fastest and are equal on every path.
// Queries, keys and values are integers with a scale for each row (int_rows.h). So are a page's
// weights, which take up the values' scales and whose own scale is that of the page's largest: a
// page that weighs little loses nothing. Between pages all is float32. Pages of bytes become
// integers of 16 bits once for all queries of a block.
//
// A tile of queries goes through scores, softmax and sums while its numbers lie in the first-level
// cache; the page stays there for all tiles of a block.
//
// Cost: 4 * head_dim operations for each query and position, as attention has, at twice the rate of
// float32; softmax is a fifth of the time at head_dim 64.
#include <cmath>

#include "backend/cpu/attention_block.h"
#include "backend/cpu/int_rows.h"
#include "backend/cpu/kv_page.h"
#include "backend/cpu/scratch.h"

namespace hearth::cpu {
namespace {

// The queries of a block that read one KV head, and what they have come to.
struct Queries {
  size_t n, group;  // of which `group` in turn are of one row
  size_t k_width, v_width;
  float* sums;         // (n, v_width): weighted values
  float* lanes;        // (n, kSumLanes): the sum of weights
  float* max;          // (n)
  float* factors;      // (n): of exact scores
  int16_t* ints;       // (n, k_width)
  int32_t* page_sums;  // (kTileQueries, v_width): those of one page

  Queries(const AttentionShape& shape, size_t n_rows, Scratch& scratch)
      : n(n_rows * (shape.n_heads / shape.n_kv_heads)),
        group(shape.n_heads / shape.n_kv_heads),
        k_width(int_width(shape.k_dim)),
        v_width(int_width(shape.v_dim)) {
    sums = scratch.reserve<float>(n * (v_width + kSumLanes + 2 + k_width / 2) +
                                  kTileQueries * v_width);
    lanes = sums + n * v_width;
    page_sums = reinterpret_cast<int32_t*>(lanes + n * kSumLanes);
    ints = reinterpret_cast<int16_t*>(page_sums + kTileQueries * v_width);
    max = reinterpret_cast<float*>(ints + n * k_width);
    factors = max + n;
  }
};

// One head's keys and values in a page, as integers of 16 bits.
struct IntPage {
  const uint8_t *key_scales, *value_scales, *keys, *values;

  static size_t room(const AttentionShape& shape) {
    return shape.element == KvElement::i8 ? kPageTokens * (shape.k_dim + shape.v_dim) : 0;
  }
  // `room`: for that many integers made of bytes.
  IntPage(const AttentionCall& call, const std::byte* key_part, const std::byte* value_part,
          int16_t* room)
      : key_scales(reinterpret_cast<const uint8_t*>(key_part)),
        value_scales(reinterpret_cast<const uint8_t*>(value_part)),
        keys(key_scales + kScalesBytes),
        values(value_scales + kScalesBytes) {
    if (call.shape.element != KvElement::i8) return;
    const size_t k_dim = call.shape.k_dim, v_dim = call.shape.v_dim;
    int16_t* const value_room = room + kPageTokens * k_dim;
    call.kernels.keys_to_ints(keys, keys + ratios_bytes(k_dim), k_dim, room);
    call.kernels.values_to_ints(values, values + ratios_bytes(v_dim), v_dim, value_room);
    keys = reinterpret_cast<const uint8_t*>(room);
    values = reinterpret_cast<const uint8_t*>(value_room);
  }
};

void start(const AttentionCall& call, const RowBlock& block, size_t first_head, Queries& queries) {
  const AttentionShape& shape = call.shape;
  std::fill_n(queries.sums, queries.n * queries.v_width, 0.0f);
  std::fill_n(queries.lanes, queries.n * kSumLanes, 0.0f);
  const float factor = shape.softcap != 0 ? shape.scale / shape.softcap : shape.scale * kLog2E;
  for (size_t i = 0; i < queries.n; i++) {
    const size_t head = first_head + i % queries.group;
    const float* q = call.query(block.first + i / queries.group, head);
    queries.factors[i] = factor * ints_by_norm(q, shape.k_dim, queries.ints + i * queries.k_width);
    queries.max[i] = -INFINITY;
    if (shape.sinks == nullptr) continue;
    // A sink is a score that was seen before all others and whose value is zero.
    queries.max[i] = shape.sinks[head] * kLog2E;
    queries.lanes[i * kSumLanes] = 1;
  }
}

// Queries first to end, at most kTileQueries, over the page whose first position is `start`.
void attend_page(const AttentionCall& call, std::span<const AttentionRow> rows, const IntPage& page,
                 size_t start, const Queries& queries, size_t first, size_t end) {
  alignas(64) int32_t scores[kTileQueries * kPageTokens];
  alignas(64) int16_t weights[kTileQueries * kPageTokens];
  SeenPart seen[kTileQueries];
  PageWeight of[kTileQueries];
  const size_t n = end - first, v_width = queries.v_width;
  Visible all{kPageTokens, 0};
  for (size_t i = 0; i < n; i++) {
    const AttentionRow& row = rows[(first + i) / queries.group];
    const Visible own = within_page(visible_to(row, call.shape), start);
    seen[i] = {own.first, own.end};
    if (!own.is_empty()) all = {std::min(all.first, own.first), std::max(all.end, own.end)};
  }
  if (all.is_empty()) return;

  call.kernels.pair_products({.rows = queries.ints + first * queries.k_width,
                              .row_stride = queries.k_width,
                              .n_rows = n,
                              .pairs = page.keys,
                              .n_pairs = queries.k_width / 2,
                              .n_columns = kPageTokens,
                              .first = all.first,
                              .end = all.end,
                              .sums = scores});
  call.kernels.softmax_ints({.n_queries = n,
                             .scores = scores,
                             .key_scales = page.key_scales,
                             .value_scales = page.value_scales,
                             .seen = seen,
                             .factors = queries.factors + first,
                             .softcap = call.shape.softcap,
                             .max = queries.max + first,
                             .lanes = queries.lanes + first * kSumLanes,
                             .weights = weights,
                             .of = of});
  const size_t first_pair = all.first / 2, end_pair = (all.end + 1) / 2;
  call.kernels.pair_products({.rows = weights + 2 * first_pair,
                              .row_stride = kPageTokens,
                              .n_rows = n,
                              .pairs = page.values + 4 * first_pair * v_width,
                              .n_pairs = end_pair - first_pair,
                              .n_columns = v_width,
                              .first = 0,
                              .end = v_width,
                              .sums = queries.page_sums});
  call.kernels.add_page(queries.page_sums, of, n, v_width, queries.sums + first * v_width);
}

void finish(const AttentionCall& call, const RowBlock& block, size_t first_head,
            const Queries& queries) {
  for (size_t i = 0; i < queries.n; i++) {
    float total = 0;
    for (size_t l = 0; l < kSumLanes; l++) total += queries.lanes[i * kSumLanes + l];
    const float* sums = queries.sums + i * queries.v_width;
    float* to = call.result(block.first + i / queries.group, first_head + i % queries.group);
    for (size_t d = 0; d < call.shape.v_dim; d++) to[d] = sums[d] * (1 / total);
  }
}

}  // namespace

void attend_ints(const AttentionCall& call, const RowBlock& block, size_t kv_head) {
  thread_local Scratch scratch, page_scratch;
  const AttentionShape& shape = call.shape;
  const std::span<const AttentionRow> rows =
      call.rows.subspan(block.first, block.end - block.first);
  Queries queries(shape, rows.size(), scratch);
  start(call, block, kv_head * queries.group, queries);
  const KvPlaces places(shape);
  auto* room = page_scratch.reserve<int16_t>(IntPage::room(shape));
  const size_t n_tiles = (queries.n + kTileQueries - 1) / kTileQueries;
  const Visible all = visible_to(rows, shape);
  for (size_t page = all.first / kPageTokens; page * kPageTokens < all.end; page++) {
    const std::byte* data = rows.back().pages[page];
    const IntPage ints(call, data + places.keys(kv_head), data + places.values(kv_head), room);
    for (size_t tile = 0; tile < n_tiles; tile++)
      attend_page(call, rows, ints, page * kPageTokens, queries, queries.n * tile / n_tiles,
                  queries.n * (tile + 1) / n_tiles);
  }
  finish(call, block, kv_head * queries.group, queries);
}

}  // namespace hearth::cpu
