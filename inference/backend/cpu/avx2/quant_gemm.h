// Products of a packed strip of eight rows with many tokens.
//
// Problem: prefill is bound by instructions. Idea: a vector of the strip has four consecutive K of
// each of eight rows; four bytes of x, broadcast, multiply it in one maddubs. Sums stay in int16 as
// long as the format's range allows (kFold steps), then widen; a lane is a row, so nothing is ever
// summed across lanes, and float work is once per block of 32 (or 256) elements of eight rows.
// Four tokens share the loads of the weights. Cost: about 3 instructions per 32 products.
#pragma once

#include "backend/cpu/avx2/formats.h"
#include "backend/cpu/avx2/quant_dot.h"
#include "backend/cpu/kernels.h"

namespace hearth::cpu {
namespace {

// sum[c] += products of 4 * n_groups elements at `element` with column c, each multiplied by
// `scale` (int16, per pair).
template <int n_columns, int n_groups>
inline void fold(const uint8_t* quants, const QuantizedColumn* x, size_t element, __m256i scale,
                 __m256i (&sum)[n_columns]) {
  __m256i words[n_columns];
  for (int g = 0; g < n_groups; g++) {
    const __m256i w = load_32(quants + 32 * g);
    for (int c = 0; c < n_columns; c++) {
      const __m256i products = _mm256_maddubs_epi16(w, broadcast_4(x[c].q + element + 4 * g));
      words[c] = g == 0 ? products : _mm256_add_epi16(words[c], products);
    }
  }
  for (int c = 0; c < n_columns; c++) {
    sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(words[c], scale));
  }
}

// The same for one group of signed weights.
template <int n_columns>
inline void fold_signed(const uint8_t* quants, const QuantizedColumn* x, size_t element,
                        __m256i (&sum)[n_columns]) {
  const __m256i w = load_32(quants);
  for (int c = 0; c < n_columns; c++) {
    const __m256i products = multiply<true>(w, broadcast_4(x[c].q + element));
    sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(products, _mm256_set1_epi16(1)));
  }
}

template <class Format, int n_columns>
void gemm_tile_32(const PackedStrip& strip, size_t k, const QuantizedColumn* x, float* y,
                  size_t y_stride) {
  __m256 acc[n_columns];
  for (__m256& a : acc) a = _mm256_setzero_ps();
  const __m256i ones = _mm256_set1_epi16(1);
  for (size_t b = 0; b < k / 32; b++) {
    __m256i sum[n_columns];
    for (__m256i& s : sum) s = _mm256_setzero_si256();
    for (size_t i = 32 * b; i < 32 * b + 32; i += 4 * Format::kFold) {
      if constexpr (Format::kIsSigned) {
        fold_signed<n_columns>(strip.quants + 8 * i, x, i, sum);
      } else {
        fold<n_columns, Format::kFold>(strip.quants + 8 * i, x, i, ones, sum);
      }
    }
    const __m256 d = _mm256_loadu_ps(strip.d + 8 * b);
    for (int c = 0; c < n_columns; c++) {
      if constexpr (Format::kOffset != 0) {
        sum[c] = _mm256_sub_epi32(sum[c], _mm256_set1_epi32(Format::kOffset * x[c].sum_32[b]));
      }
      const __m256 scale = _mm256_mul_ps(d, _mm256_set1_ps(x[c].scale[b]));
      acc[c] = _mm256_add_ps(acc[c], _mm256_mul_ps(_mm256_cvtepi32_ps(sum[c]), scale));
      if constexpr (Format::kHasMin) {
        const __m256 m = _mm256_loadu_ps(strip.m + 8 * b);
        acc[c] = _mm256_add_ps(acc[c], _mm256_mul_ps(m, _mm256_set1_ps(x[c].scaled_sum[b])));
      }
    }
  }
  for (int c = 0; c < n_columns; c++) _mm256_storeu_ps(y + c * y_stride, acc[c]);
}

template <class Format, int n_columns>
void gemm_tile_256(const PackedStrip& strip, size_t k, const QuantizedColumn* x, float* y,
                   size_t y_stride) {
  constexpr size_t kScales = 256 / Format::kPerScale;
  __m256 acc[n_columns];
  for (__m256& a : acc) a = _mm256_setzero_ps();
  for (size_t b = 0; b < k / 256; b++) {
    __m256i sum[n_columns], min_sum[n_columns];
    for (__m256i& s : sum) s = _mm256_setzero_si256();
    for (__m256i& s : min_sum) s = _mm256_setzero_si256();
    for (size_t j = 0; j < kScales; j++) {
      const __m256i scale = load_32(strip.scales + (b * kScales + j) * 16);
      const size_t first = 256 * b + Format::kPerScale * j;
      for (size_t i = first; i < first + Format::kPerScale; i += 4 * Format::kFold) {
        fold<n_columns, Format::kFold>(strip.quants + 8 * i, x, i, scale, sum);
      }
    }
    for (size_t j = 0; j < kScales / 2; j++) {
      const __m256i mins = load_32(strip.mins + (b * kScales / 2 + j) * 16);
      for (int c = 0; c < n_columns; c++) {
        const int16_t* sums_of_x = Format::kPerScale == 32 ? x[c].sum_32 : x[c].sum_16;
        const __m256i pair = broadcast_4(sums_of_x + b * kScales + 2 * j);
        min_sum[c] = _mm256_add_epi32(min_sum[c], _mm256_madd_epi16(mins, pair));
      }
    }
    const __m256 d = _mm256_loadu_ps(strip.d + 8 * b);
    for (int c = 0; c < n_columns; c++) {
      const __m256 x_scale = _mm256_set1_ps(x[c].scale[b]);
      if constexpr (!Format::kHasMin) sum[c] = _mm256_sub_epi32(sum[c], min_sum[c]);
      const __m256 scale = _mm256_mul_ps(d, x_scale);
      acc[c] = _mm256_add_ps(acc[c], _mm256_mul_ps(_mm256_cvtepi32_ps(sum[c]), scale));
      if constexpr (Format::kHasMin) {
        const __m256 dmin = _mm256_mul_ps(_mm256_loadu_ps(strip.m + 8 * b), x_scale);
        acc[c] = _mm256_sub_ps(acc[c], _mm256_mul_ps(_mm256_cvtepi32_ps(min_sum[c]), dmin));
      }
    }
  }
  for (int c = 0; c < n_columns; c++) _mm256_storeu_ps(y + c * y_stride, acc[c]);
}

template <class Format>
void gemm_32(const PackedStrip& strip, size_t k, const QuantizedColumn* x, size_t n_columns,
             float* y, size_t y_stride) {
  size_t c = 0;
  for (; c + 4 <= n_columns; c += 4) {
    gemm_tile_32<Format, 4>(strip, k, x + c, y + c * y_stride, y_stride);
  }
  for (; c < n_columns; c++) gemm_tile_32<Format, 1>(strip, k, x + c, y + c * y_stride, y_stride);
}

template <class Format>
void gemm_256(const PackedStrip& strip, size_t k, const QuantizedColumn* x, size_t n_columns,
              float* y, size_t y_stride) {
  size_t c = 0;
  for (; c + 4 <= n_columns; c += 4) {
    gemm_tile_256<Format, 4>(strip, k, x + c, y + c * y_stride, y_stride);
  }
  for (; c < n_columns; c++) gemm_tile_256<Format, 1>(strip, k, x + c, y + c * y_stride, y_stride);
}

}  // namespace
}  // namespace hearth::cpu
