// A sequence's keys and values: as doubles for the reference, and in pages as the cache holds them.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "backend/cpu/ops.h"
#include "gguf/half.h"
#include "inference/cpu/tensors.h"

namespace hearth::cpu {

// The pages of one sequence of `length` tokens with random keys and values. What lies beyond the
// last token is NaN, so reading it shows.
class KvPages {
 public:
  KvPages(const Machine& machine, const AttentionShape& shape, uint32_t length, uint32_t seed)
      : KvPages(machine, shape, length,
                random_floats(size_t{length} * shape.n_kv_heads * shape.k_dim, seed),
                random_floats(size_t{length} * shape.n_kv_heads * shape.v_dim, seed + 1)) {}

  // Of the keys that are also the values.
  KvPages(const Machine& machine, const AttentionShape& shape, const std::vector<float>& rows)
      : KvPages(machine, shape,
                static_cast<uint32_t>(rows.size() / (shape.n_kv_heads * shape.k_dim)), rows, rows) {
  }

  KvPages(const Machine& machine, const AttentionShape& shape, uint32_t length,
          std::vector<float> k, std::vector<float> v)
      : shape_(shape), k_(std::move(k)), v_(std::move(v)) {
    const KvLayer layer{shape.n_kv_heads, shape.k_dim, shape.v_dim};
    const size_t page_bytes = kv_layer_bytes(layer, shape.element);
    const size_t n_pages = (length + kPageTokens - 1) / kPageTokens;
    memory_.assign(n_pages * page_bytes, std::byte{0xff});
    // In reverse order: pages need not be neighbours.
    for (size_t i = 0; i < n_pages; i++) {
      pages_.push_back(memory_.data() + (n_pages - 1 - i) * page_bytes);
    }
    std::vector<AttentionRow> rows;
    for (uint32_t p = 0; p < length; p++) rows.push_back(row_at(p));
    kv_store(machine, shape, rows, k_.data(), v_.data());
  }

  AttentionRow row_at(uint32_t position) const { return {position, pages_}; }
  // As the cache would after sharing or freeing: the same contents, no page before `first`.
  void forget_pages_before(size_t first) { std::fill_n(pages_.begin(), first, nullptr); }

  float key(size_t position, size_t head, size_t d) const {
    return k_[(position * shape_.n_kv_heads + head) * shape_.k_dim + d];
  }
  float value(size_t position, size_t head, size_t d) const {
    return v_[(position * shape_.n_kv_heads + head) * shape_.v_dim + d];
  }

 private:
  AttentionShape shape_;
  std::vector<float> k_, v_;
  std::vector<std::byte> memory_;
  std::vector<std::byte*> pages_;
};

}  // namespace hearth::cpu
