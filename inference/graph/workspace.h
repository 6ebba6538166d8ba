// The activations of one batch, all float32, row-major, one row per token. Grown to the largest
// batch seen and then reused: no allocation after warm-up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/cpu/ops.h"
#include "graph/hparams.h"

namespace hearth {

struct Workspace {
  std::vector<float> x;         // (n, width) the residual stream
  std::vector<float> h;         // (n, width) a block's normed input, later its output
  std::vector<float> q;         // (n, n_heads, head_dim)
  std::vector<float> k, v;      // (n, n_kv_heads, head_dim)
  std::vector<float> context;   // (n, n_heads, head_dim) what attention gathered
  std::vector<float> gate, up;  // (n, n_ff)
  std::vector<float> cos_sin;   // (n, n_rot / 2, 2)

  std::vector<cpu::AttentionRow> rows;  // of the batch; their pages are spans of `pages`
  std::vector<std::byte*> pages;        // block tables one after the other, for one layer
  std::vector<size_t> first_page;       // of each block table in `pages`

  static uint64_t floats_per_row(const HParams& hp) {
    return 2 * uint64_t{hp.width} + 2 * hp.q_width() + 2 * hp.kv_width() + 2 * uint64_t{hp.n_ff} +
           hp.n_rot;
  }

  void fit(const HParams& hp, size_t n) {
    const auto grow = [n](std::vector<float>& buffer, uint64_t row) {
      if (buffer.size() < n * row) buffer.resize(n * row);
    };
    for (std::vector<float>* buffer : {&x, &h}) grow(*buffer, hp.width);
    for (std::vector<float>* buffer : {&q, &context}) grow(*buffer, hp.q_width());
    for (std::vector<float>* buffer : {&k, &v}) grow(*buffer, hp.kv_width());
    for (std::vector<float>* buffer : {&gate, &up}) grow(*buffer, hp.n_ff);
    grow(cos_sin, hp.n_rot);
  }
};

}  // namespace hearth
