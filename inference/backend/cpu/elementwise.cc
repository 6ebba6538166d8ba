#include <algorithm>
#include <cmath>

#include "backend/cpu/kernels.h"
#include "backend/cpu/ops.h"

namespace hearth::cpu {
namespace {

// Enough elements to be worth handing to another thread; a multiple of every vector's width.
constexpr size_t kPiece = 16384;

// Calls fn(first, count) over [0, n).
template <class Fn>
void in_pieces(const Machine& machine, size_t n, const Fn& fn) {
  machine.pool.run(static_cast<uint32_t>((n + kPiece - 1) / kPiece), [&](uint32_t piece) {
    const size_t first = piece * kPiece;
    fn(first, std::min(kPiece, n - first));
  });
}

// x Phi(x) with Phi of the normal distribution. No vector path: only encoders of texts use it.
void gelu_erf_mul(const float* gate, const float* up, size_t n, float* out) {
  for (size_t i = 0; i < n; i++) {
    const float x = gate[i], phi = 0.5f * (1 + std::erf(x * 0.70710678f));
    out[i] = x * phi * (up != nullptr ? up[i] : 1.0f);
  }
}

}  // namespace

void activate(const Machine& machine, Activation activation, const float* gate, const float* up,
              size_t n, float* out) {
  const Kernels& kernels = kernels_of(machine.path);
  const auto kernel = activation == Activation::silu       ? kernels.silu_mul
                      : activation == Activation::gelu     ? kernels.gelu_mul
                      : activation == Activation::gelu_erf ? gelu_erf_mul
                                                           : kernels.gpt_oss_mul;
  in_pieces(machine, n, [&](size_t first, size_t count) {
    kernel(gate + first, up != nullptr ? up + first : nullptr, count, out + first);
  });
}

void add(const Machine& machine, float* x, const float* y, float scale, size_t n) {
  in_pieces(machine, n, [&](size_t first, size_t count) {
    for (size_t i = first; i < first + count; i++) x[i] += scale * y[i];
  });
}

void add_bias(const Machine& machine, float* x, const float* bias, size_t width, size_t n_rows) {
  const size_t rows_per_piece = std::max<size_t>(1, kPiece / std::max<size_t>(1, width));
  const size_t n_pieces = (n_rows + rows_per_piece - 1) / rows_per_piece;
  machine.pool.run(static_cast<uint32_t>(n_pieces), [&](uint32_t piece) {
    const size_t end = std::min(n_rows, (piece + 1) * rows_per_piece);
    for (size_t row = piece * rows_per_piece; row < end; row++) {
      for (size_t i = 0; i < width; i++) x[row * width + i] += bias[i];
    }
  });
}

}  // namespace hearth::cpu
