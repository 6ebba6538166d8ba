#include <algorithm>
#include <cmath>

#include "backend/cpu/ops.h"

namespace hearth::cpu {
namespace {

// Sixteen partial sums: their order is fixed and the compiler can use vectors without reordering.
constexpr size_t kSums = 16;

float total_of(float (&sums)[kSums]) {
  for (size_t width = kSums / 2; width > 0; width /= 2) {
    for (size_t j = 0; j < width; j++) sums[j] += sums[j + width];
  }
  return sums[0];
}

float sum_of_squares(const float* x, size_t n) {
  float sums[kSums] = {};
  size_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (size_t j = 0; j < kSums; j++) sums[j] += x[i + j] * x[i + j];
  }
  for (size_t j = 0; i + j < n; j++) sums[j] += x[i + j] * x[i + j];
  return total_of(sums);
}

float mean_of(const float* x, size_t n) {
  float sums[kSums] = {};
  for (size_t i = 0; i < n; i++) sums[i % kSums] += x[i];
  return total_of(sums) / static_cast<float>(n);
}

}  // namespace

void normalize(const Machine& machine, NormKind kind, const float* x, const float* weight,
               const float* bias, float eps, size_t width, size_t n, float* out) {
  const auto rms = [&](const float* from, float* to) {
    const float inverse =
        1.0f / std::sqrt(sum_of_squares(from, width) / static_cast<float>(width) + eps);
    for (size_t i = 0; i < width; i++) to[i] = from[i] * inverse * weight[i];
  };
  const auto layer = [&](const float* from, float* to) {
    const float mean = mean_of(from, width);
    for (size_t i = 0; i < width; i++) to[i] = from[i] - mean;
    const float inverse =
        1.0f / std::sqrt(sum_of_squares(to, width) / static_cast<float>(width) + eps);
    for (size_t i = 0; i < width; i++) {
      to[i] = to[i] * inverse * weight[i] + (bias != nullptr ? bias[i] : 0.0f);
    }
  };
  const size_t rows_per_piece = std::max<size_t>(1, 16384 / std::max<size_t>(1, width));
  const size_t n_pieces = (n + rows_per_piece - 1) / rows_per_piece;
  machine.pool.run(static_cast<uint32_t>(n_pieces), [&](uint32_t piece) {
    const size_t end = std::min(n, (piece + 1) * rows_per_piece);
    for (size_t row = piece * rows_per_piece; row < end; row++) {
      const float* from = x + row * width;
      if (kind == NormKind::rms) {
        rms(from, out + row * width);
      } else {
        layer(from, out + row * width);
      }
    }
  });
}

}  // namespace hearth::cpu
