// What attention is cut into: blocks of neighbouring tokens of a sequence, of which one KV head is
// attended to at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "backend/cpu/kernels.h"
#include "backend/operands.h"

namespace hearth::cpu {

// One call's arguments.
struct AttentionCall {
  const Kernels& kernels;
  const AttentionShape& shape;
  std::span<const AttentionRow> rows;
  const float* q;
  size_t q_stride;
  float* out;
  size_t out_stride;

  size_t group() const { return shape.n_heads / shape.n_kv_heads; }
  const float* query(size_t row, size_t head) const {
    return q + row * q_stride + head * shape.k_dim;
  }
  float* result(size_t row, size_t head) const {
    return out + row * out_stride + head * shape.v_dim;
  }
};

// Consecutive tokens of one sequence.
struct RowBlock {
  size_t first, end;
};

// Positions that a row sees: [first, end). Empty: first >= end.
struct Visible {
  size_t first, end;
  bool operator==(const Visible&) const = default;
  bool is_empty() const { return first >= end; }
};

inline Visible visible_to(const AttentionRow& row, const AttentionShape& shape) {
  const size_t end = size_t{row.position} + 1;
  const size_t first = shape.window != 0 && end > shape.window ? end - shape.window : 0;
  return {first, end};
}

// Positions ascend: rows together see from the first's first to the last's end.
inline Visible visible_to(std::span<const AttentionRow> rows, const AttentionShape& shape) {
  return {visible_to(rows.front(), shape).first, visible_to(rows.back(), shape).end};
}

// The part of it in one page, relative to the page's start.
inline Visible within_page(const Visible& all, size_t page_start) {
  const size_t first = std::max(all.first, page_start);
  const size_t end = std::min(all.end, page_start + kPageTokens);
  return end > first ? Visible{first - page_start, end - page_start} : Visible{0, 0};
}

// All queries of a block's tokens that read one KV head: pages of f32, and of i16 or i8.
void attend_floats(const AttentionCall& call, const RowBlock& block, size_t kv_head);
void attend_ints(const AttentionCall& call, const RowBlock& block, size_t kv_head);

}  // namespace hearth::cpu
