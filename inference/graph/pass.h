// One forward pass under way: what the blocks read and write.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "cache/kv_cache.h"
#include "graph/model.h"

namespace hearth {

struct Pass {
  Backend& backend;
  const Batch& batch;
  KvCache& cache;

  size_t n;        // rows of x and h
  uint32_t width;  // of one
  float* x;        // (n, width) the residual stream
  float* h;        // (n, width) a block's normed input, then its output
  float* scratch;  // (n, floats_per_row()) of the block that runs

  float* per_layer = nullptr;  // (n, per_layer_floats) embeddings for each layer; null: none
  uint64_t per_layer_floats = 0;

  uint32_t layer = 0;
  bool is_last_layer = false;

  std::span<const float* const> cos_sin;  // (n, n_rot) of each rope of the model
  std::vector<AttentionRow> rows;         // their pages are spans of `pages`
  std::vector<std::byte*> pages;          // block tables one after the other, for one layer

  // The next `per_row` floats a row of the scratch memory.
  float* take(uint64_t per_row) {
    float* taken = scratch;
    scratch += per_row * n;
    return taken;
  }
};

// Each block table's pages as the memory of a layer; pass.rows hold spans of it.
void point_at_layer(Pass& pass, uint32_t layer);

// Past the last layer's mixer only the rows whose logits are wanted matter: moves them to the front
// of x, of the rows and of what else is given.
struct RowsOf {
  float* data;
  size_t width;
};
void keep_wanted_rows(Pass& pass, std::initializer_list<RowsOf> also);

}  // namespace hearth
