// Where keys and values lie in a page of the KV cache.
#pragma once

#include "backend/cpu/ops.h"

namespace hearth::cpu {

// A page holds, for each kv head in turn, kPageTokens rows of K and then kPageTokens rows of V.
inline size_t key_offset(size_t kv_head, size_t position, size_t row_bytes) {
  return (2 * kv_head * kPageTokens + position % kPageTokens) * row_bytes;
}

inline size_t value_offset(size_t kv_head, size_t position, size_t row_bytes) {
  return key_offset(kv_head, position, row_bytes) + kPageTokens * row_bytes;
}

}  // namespace hearth::cpu
