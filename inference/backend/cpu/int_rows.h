// A row of floats as 16-bit integers times one scale: how attention reads queries, keys and values.
// In plain code, so that every path gives the same bits.
//
// Exact sums need room. Of two rows with norms of at most kMostNorm every partial sum of products
// is below 2^31, however long they are (Cauchy, Schwarz). Values are added up over positions, with
// weights that are bounded, and so are they. Rounding adds an error of 0.29 / 32000 of its norm to
// each element of a key, and of 0.29 / 4095 of its largest to each of a value: about what f16 adds.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "backend/cpu/int_kernels.h"

namespace hearth::cpu {

inline constexpr float kMostNorm = 32000;

// Rows end with zeros, so that they are whole vectors.
constexpr size_t int_width(size_t n) { return (n + 15) / 16 * 16; }

inline void round_row(const float* x, size_t n, float factor, int16_t* to) {
  for (size_t i = 0; i < n; i++)
    to[i] = static_cast<int16_t>(std::bit_cast<uint32_t>(x[i] * factor + kMakesInts));
  for (size_t i = n; i < int_width(n); i++) to[i] = 0;
}

// Sums and bounds of a row: element i belongs to lane i % 16; lanes are joined by halves.
using RowLanes = float[16];

template <class Join>
float joined(RowLanes& lanes, const Join& join) {
  for (size_t l = 0; l < 8; l++) lanes[l] = join(lanes[l], lanes[l + 8]);
  for (size_t l = 0; l < 4; l++) lanes[l] = join(lanes[l], lanes[l + 4]);
  return join(join(lanes[0], lanes[2]), join(lanes[1], lanes[3]));
}

template <class See>
void each_element(const float* x, size_t n, const See& see) {
  for (size_t i = 0; i + 16 <= n; i += 16) {
    for (size_t l = 0; l < 16; l++) see(l, x[i + l]);
  }
  for (size_t i = n / 16 * 16; i < n; i++) see(i % 16, x[i]);
}

// By magnitude; NaN if an element is not finite.
inline float largest_of(const float* x, size_t n) {
  RowLanes largest = {}, bad = {};
  const auto larger = [](float a, float b) { return a > b ? a : b; };
  each_element(x, n, [&](size_t l, float element) {
    largest[l] = larger(std::fabs(element), largest[l]);
    bad[l] += element * 0.0f;
  });
  return joined(largest, larger) + joined(bad, std::plus<>());
}

// Both return the scale, which is not finite if an element is not.
inline float ints_by_norm(const float* x, size_t n, int16_t* to) {
  RowLanes squares = {};
  each_element(x, n, [&](size_t l, float element) { squares[l] += element * element; });
  const float norm = std::sqrt(joined(squares, std::plus<>()) + 1e-30f);
  round_row(x, n, kMostNorm / norm, to);
  return norm / kMostNorm;
}

inline float ints_by_largest(const float* x, size_t n, int16_t* to) {
  const float most = largest_of(x, n) + 1e-20f;
  round_row(x, n, kMostValue / most, to);
  return most / kMostValue;
}

// Rows of bytes are blocks of 32 with a ratio of up to 2^15 each: an element is byte * ratio / 2^15
// of the row's scale. Read, they become integers as above: byte * 2^bits * ratio / 2^15, rounded,
// whose norm is at most 127 * 2^kKeyBits * sqrt(1024).
inline float bytes_by_block(const float* x, size_t n, int8_t* to, int16_t* ratios) {
  const float most = largest_of(x, n) + 1e-20f;
  for (size_t b = 0; b < n / 32; b++, x += 32, to += 32) {
    const float part = std::isfinite(most) ? largest_of(x, 32) / most : 0;
    ratios[b] = static_cast<int16_t>(std::min(std::ceil(part * 0x1p15f) + 1, 32767.0f));
    const float factor = 127 * 0x1p15f / (most * ratios[b]);
    for (size_t i = 0; i < 32; i++) {
      const float rounded = x[i] * factor + kMakesInts;
      to[i] = static_cast<int8_t>(std::bit_cast<uint32_t>(rounded));
    }
  }
  return most / 127;
}

}  // namespace hearth::cpu
