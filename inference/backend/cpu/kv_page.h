// Where keys and values lie in a page of the KV cache (cache/page.h): for each kv head in turn its
// keys and then its values.
//
// f32: keys are transposed, for attention's sake: element d of all positions, then d + 1. Values
// are a row for each position.
//
// i16 (int_rows.h): first the scales of all positions, float32. A lane of a vector holds two
// elements that follow each other in a sum. Keys: elements 0 and 1 of all positions in turn, then 2
// and 3. Values: all elements of positions 0 and 1 in turn, then of 2 and 3.
//
// i8: after the scales the ratios: of block b of all positions, then b + 1. Bytes lie as the
// integers of i16 do.
#pragma once

#include "backend/operands.h"

namespace hearth::cpu {

// Byte offsets within one layer of a page.
class KvPlaces {
 public:
  explicit KvPlaces(const AttentionShape& shape)
      : key_bytes_(kv_row_bytes(shape.element, shape.k_dim)),
        value_bytes_(kv_row_bytes(shape.element, shape.v_dim)) {}

  size_t keys(size_t kv_head) const { return kv_head * kPageTokens * (key_bytes_ + value_bytes_); }
  size_t values(size_t kv_head) const { return keys(kv_head) + kPageTokens * key_bytes_; }

 private:
  size_t key_bytes_, value_bytes_;
};

inline constexpr size_t kScalesBytes = kPageTokens * sizeof(float);
// Before the bytes, with the scales.
constexpr size_t ratios_bytes(size_t dim) { return dim / 32 * kPageTokens * sizeof(int16_t); }

}  // namespace hearth::cpu
