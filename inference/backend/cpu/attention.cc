// Causal attention over the paged KV cache, flash style.
//
// Problem: scores of a long context do not fit in cache, and a request must give the same bits
// alone, in a batch, and whether its prompt came in one piece or many. Idea: an online softmax that
// visits the sequence page by page in order of absolute position; within a page, what a query
// computes depends only on its own position and window. So rows may be grouped freely for speed:
// queries of neighbouring tokens and of all heads that share a KV head form one block, which reads
// each page once.
//
// Source: Dao et al., FlashAttention (2022).
#include <algorithm>
#include <vector>

#include "backend/cpu/attention_block.h"
#include "backend/cpu/ops.h"

namespace hearth::cpu {
namespace {

// Queries (tokens times heads) of one block of floats, whose scores and sums stay in cache, and of
// integers, of which only a tile's need to.
constexpr size_t kFloatQueries = 48, kIntQueries = 96;

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

}  // namespace

void attention(const Machine& machine, const AttentionShape& shape,
               std::span<const AttentionRow> rows, const float* q, size_t q_stride, float* out,
               size_t out_stride) {
  if (rows.empty()) return;
  const AttentionCall call{kernels_of(machine.path), shape, rows, q, q_stride, out, out_stride};
  // Large blocks read the cache less often and fill their tiles, but every worker should have two:
  // far into a conversation a step has sixteen rows.
  const size_t for_all = rows.size() * shape.n_kv_heads / (2 * machine.pool.size());
  const bool is_int = shape.element != KvElement::f32;
  const size_t most = (is_int ? kIntQueries : kFloatQueries) / call.group();
  size_t max_rows = std::clamp<size_t>(for_all, 1, std::max<size_t>(1, most));
  if (is_int && max_rows > kTileQueries) max_rows -= max_rows % kTileQueries;  // whole tiles
  const std::vector<RowBlock> blocks = blocks_of(rows, max_rows);
  machine.pool.run(static_cast<uint32_t>(blocks.size() * shape.n_kv_heads), [&](uint32_t i) {
    (is_int ? attend_ints : attend_floats)(call, blocks[i / shape.n_kv_heads],
                                           i % shape.n_kv_heads);
  });
}

}  // namespace hearth::cpu
