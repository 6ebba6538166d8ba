#include "backend/cpu/ops.h"

#include <algorithm>

namespace hearth::cpu {
namespace {

// Rotates pairs (x[first_of(i)], x[first_of(i) + apart]) of one head.
void rotate(float* x, size_t n_pairs, size_t step, size_t apart, const float* cos_sin) {
  for (size_t i = 0; i < n_pairs; i++) {
    float& a = x[i * step];
    float& b = x[i * step + apart];
    const float cos = cos_sin[2 * i], sin = cos_sin[2 * i + 1];
    const float rotated = a * cos - b * sin;
    b = a * sin + b * cos;
    a = rotated;
  }
}

}  // namespace

void rope(const Machine& machine, RopeKind kind, float* x, size_t row_stride, size_t n_heads,
          size_t head_dim, size_t n_rot, const float* cos_sin, size_t n_tokens) {
  if (kind == RopeKind::none) return;
  const size_t n_pairs = n_rot / 2;
  const bool is_neox = kind == RopeKind::neox;
  constexpr size_t kTokensPerPiece = 16;
  const size_t n_pieces = (n_tokens + kTokensPerPiece - 1) / kTokensPerPiece;
  machine.pool.run(static_cast<uint32_t>(n_pieces), [&](uint32_t piece) {
    const size_t end = std::min(n_tokens, (piece + 1) * kTokensPerPiece);
    for (size_t t = piece * kTokensPerPiece; t < end; t++) {
      for (size_t h = 0; h < n_heads; h++) {
        rotate(x + t * row_stride + h * head_dim, n_pairs, is_neox ? 1 : 2, is_neox ? n_pairs : 1,
               cos_sin + t * n_rot);
      }
    }
  });
}

}  // namespace hearth::cpu
