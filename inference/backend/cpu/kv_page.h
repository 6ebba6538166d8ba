// Where keys and values lie in a page of the KV cache (cache/page.h): for each kv head in turn its
// keys and then its values, which are a row for each position. Keys are transposed, for attention's
// sake: element d of all positions, then d + 1. Those of q8_0 begin with the scales, f16: of block
// b of all positions, then b + 1.
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
  size_t value(size_t kv_head, size_t position) const {
    return keys(kv_head) + kPageTokens * key_bytes_ + position % kPageTokens * value_bytes_;
  }

 private:
  size_t key_bytes_, value_bytes_;
};

}  // namespace hearth::cpu
