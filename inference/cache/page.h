// What a page of the KV cache is: the unit in which keys and values are stored, shared and
// forgotten.
//
// A page holds kPageTokens positions of every layer. In one layer of it lie, for each kv head in
// turn, K and V of kPageTokens positions, as the backend likes them. A recurrent layer has no keys:
// there lies its state after the last position computed in the page (graph/blocks/state.h), which
// is all that the next position needs to see.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth {

using PageIndex = uint32_t;

inline constexpr uint32_t kPageTokens = 64;

constexpr uint32_t pages_for(size_t n_tokens) {
  return static_cast<uint32_t>((n_tokens + kPageTokens - 1) / kPageTokens);
}

// Element type of cached keys and values. i16: integers with a float32 scale for each row, in whole
// vectors of 16. i8: in blocks of 32 (KvCache::create refuses other sizes) with a ratio of two
// bytes to the row's scale.
enum class KvElement : uint8_t { f32, i16, i8 };

constexpr size_t kv_row_bytes(KvElement element, size_t dim) {
  switch (element) {
    case KvElement::f32: return dim * sizeof(float);
    case KvElement::i16: return (dim + 15) / 16 * 16 * sizeof(int16_t) + sizeof(float);
    case KvElement::i8: break;
  }
  return (dim + 31) / 32 * (32 + sizeof(int16_t)) + sizeof(float);
}

// A recurrent layer sees no further back than the state that the position before left.
inline constexpr uint32_t kStateWindow = 2;

// One layer's keys and values, or its state.
struct KvLayer {
  uint32_t n_kv_heads = 0;
  uint32_t k_dim = 0, v_dim = 0;  // of one head
  uint32_t window = 0;            // how far back a position sees, itself included; 0: everything
  uint64_t state_bytes = 0;       // of a recurrent layer, whose window is kStateWindow
  bool operator==(const KvLayer&) const = default;
};

// Of one layer in a page; a multiple of a cache line.
inline size_t kv_layer_bytes(const KvLayer& layer, KvElement element) {
  if (layer.state_bytes > 0) return (layer.state_bytes + 63) / 64 * 64;
  const size_t row = kv_row_bytes(element, layer.k_dim) + kv_row_bytes(element, layer.v_dim);
  return (layer.n_kv_heads * kPageTokens * row + 63) / 64 * 64;
}

}  // namespace hearth
