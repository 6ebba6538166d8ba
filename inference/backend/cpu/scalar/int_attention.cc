// Attention over pages of integers: what int_kernels.h defines, in order.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "backend/cpu/scalar/scalar.h"

namespace hearth::cpu::scalar {
namespace {

float scale_at(const uint8_t* scales, size_t position) {
  float value;
  std::memcpy(&value, scales + 4 * position, sizeof value);
  return value;
}

int16_t scaled(uint8_t byte, int bits, const uint8_t* ratio) {
  int16_t factor;
  std::memcpy(&factor, ratio, sizeof factor);
  return static_cast<int16_t>((static_cast<int8_t>(byte) * (1 << bits) * factor + (1 << 14)) >> 15);
}

uint32_t bits_of(float x) { return std::bit_cast<uint32_t>(x); }

float power_of_two(float x) {
  x = -kMostBits > x ? -kMostBits : x;
  const float moved = x + kMakesInts;
  const float f = x - (moved - kMakesInts);
  float p = kPowers[3];
  for (int i = 2; i >= 0; i--) p = std::fma(p, f, kPowers[i]);
  return std::bit_cast<float>(bits_of(std::fma(p, f, 1.0f)) + (bits_of(moved) << 23));
}

float bounded_tanh(float x) {
  const float x2 = x * x;
  if (x2 < 0.0625f) {
    float series = kTanh[3];
    for (int i = 2; i >= 0; i--) series = std::fma(series, x2, kTanh[i]);
    return std::fma(series * x2, x, x);
  }
  const float e = x * (2 * kLog2E);
  return 1 - 2 / (power_of_two(kMostBits < e ? kMostBits : e) + 1);
}

}  // namespace

void pair_products(const PairProduct& p) {
  const auto element = [&](size_t i, size_t column) {
    int16_t value;
    std::memcpy(&value, p.pairs + 4 * (i / 2 * p.n_columns + column) + i % 2 * 2, sizeof value);
    return value;
  };
  for (size_t r = 0; r < p.n_rows; r++) {
    for (size_t c = p.first; c < p.end; c++) {
      int32_t sum = 0;
      for (size_t i = 0; i < 2 * p.n_pairs; i++)
        sum += p.rows[r * p.row_stride + i] * element(i, c);
      p.sums[r * p.n_columns + c] = sum;
    }
  }
}

void softmax_ints(const PageSoftmax& page) {
  for (size_t q = 0; q < page.n_queries; q++) {
    const auto [first, end] = page.seen[q];
    int16_t* const weights = page.weights + q * kPageTokens;
    std::fill_n(weights, kPageTokens, int16_t{0});
    page.of[q] = {.correction = 1, .scale = 0};
    if (first >= end) continue;

    float w[kPageTokens] = {}, v[kPageTokens] = {};
    float& max = page.max[q];
    float now = -INFINITY;
    for (size_t p = first; p < end; p++) {
      const int32_t isum = page.scores[q * kPageTokens + p];
      w[p] = static_cast<float>(isum) * scale_at(page.key_scales, p) * page.factors[q];
      if (page.softcap != 0) w[p] = page.softcap * kLog2E * bounded_tanh(w[p]);
      now = std::max(now, w[p]);
    }
    float correction = 1;
    if (now > max) {
      correction = power_of_two(max - now);
      max = now;
    }
    float most = 0;
    for (size_t p = first; p < end; p++) {
      w[p] = power_of_two(w[p] - max);
      v[p] = w[p] * scale_at(page.value_scales, p);
      most = std::max(most, v[p]);
    }
    for (size_t l = 0; l < kSumLanes; l++) {
      float& lane = page.lanes[kSumLanes * q + l];
      lane = std::fma(lane, correction, (w[l] + w[l + 16]) + (w[l + 32] + w[l + 48]));
    }
    most += kLeastWeight;
    page.of[q] = {.correction = correction, .scale = most * (1 / kMostWeight)};
    const float to_ints = kMostWeight / most;
    for (size_t p = first; p < end; p++)
      weights[p] = static_cast<int16_t>(bits_of(std::fma(v[p], to_ints, kMakesInts)));
  }
}

void add_page(const int32_t* ints, const PageWeight* of, size_t n_queries, size_t width,
              float* sums) {
  for (size_t q = 0; q < n_queries; q++, ints += width, sums += width) {
    for (size_t d = 0; d < width; d++)
      sums[d] = std::fma(static_cast<float>(ints[d]), of[q].scale, sums[d] * of[q].correction);
  }
}

void keys_to_ints(const uint8_t* ratios, const uint8_t* bytes, size_t dim, int16_t* to) {
  for (size_t i = 0; i < dim * kPageTokens; i++) {
    const size_t block = i / (32 * kPageTokens), position = i / 2 % kPageTokens;
    to[i] = scaled(bytes[i], kKeyBits, ratios + 2 * (block * kPageTokens + position));
  }
}

void values_to_ints(const uint8_t* ratios, const uint8_t* bytes, size_t dim, int16_t* to) {
  for (size_t i = 0; i < dim * kPageTokens; i++) {
    const size_t block = i / 2 % dim / 32, position = i / (2 * dim) * 2 + i % 2;
    to[i] = scaled(bytes[i], kValueBits, ratios + 2 * (block * kPageTokens + position));
  }
}

}  // namespace hearth::cpu::scalar
