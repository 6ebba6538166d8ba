// Where keys and values lie in a page of the KV cache (cache/page.h).
#pragma once

#include "backend/operands.h"

namespace hearth::cpu {

// Byte offsets within one layer of a page.
class KvPlaces {
 public:
  explicit KvPlaces(const AttentionShape& shape)
      : key_bytes_(kv_row_bytes(shape.element, shape.k_dim)),
        value_bytes_(kv_row_bytes(shape.element, shape.v_dim)) {}

  size_t key(size_t kv_head, size_t position) const {
    return head(kv_head) + position % kPageTokens * key_bytes_;
  }
  size_t value(size_t kv_head, size_t position) const {
    return head(kv_head) + kPageTokens * key_bytes_ + position % kPageTokens * value_bytes_;
  }

 private:
  size_t head(size_t kv_head) const { return kv_head * kPageTokens * (key_bytes_ + value_bytes_); }

  size_t key_bytes_, value_bytes_;
};

}  // namespace hearth::cpu
