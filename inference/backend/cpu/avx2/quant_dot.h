// Dot products straight from the file's rows, for few tokens: the weights are read once at memory
// speed and eight rows share the loads of x. Each row's block gives eight partial integer sums; one
// transposing addition turns those of eight rows into a vector with a row per lane, so that scaling
// and accumulation in float cost the same for eight rows as for one.
#include "backend/cpu/avx2/avx2.h"
//
// Templates over the formats of formats.h; in an anonymous namespace for the reason given there.
#pragma once

#include "backend/cpu/avx2/formats.h"
#include "backend/cpu/kernels.h"

namespace hearth::cpu {
namespace {

// Row pointers, the last one repeated where there are fewer than eight.
struct EightRows {
  const uint8_t* at[8];
  EightRows(const uint8_t* rows, size_t row_bytes, size_t n_rows) {
    for (size_t r = 0; r < 8; r++) at[r] = rows + (r < n_rows ? r : n_rows - 1) * row_bytes;
  }
  void advance(size_t bytes) {
    for (const uint8_t*& row : at) row += bytes;
  }
};
// Products of signed bytes: |w| * (x with the sign of w), as the instruction wants one unsigned.
inline __m256i multiply_signed(__m256i w, __m256i x) {
  return _mm256_maddubs_epi16(_mm256_sign_epi8(w, w), _mm256_sign_epi8(x, w));
}

template <class Format>
void dot_32(const uint8_t* rows, size_t row_bytes, size_t n_rows, size_t k,
            const QuantizedColumn& x, float* y) {
  EightRows row(rows, row_bytes, n_rows);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 acc = _mm256_setzero_ps();
  for (size_t b = 0; b < k / 32; b++) {
    const __m256i xq = load_32(x.q + 32 * b);
    __m256i sums[8];
    for (int r = 0; r < 8; r++) {
      const __m256i w = Format::quants(row.at[r]);
      const __m256i products =
          Format::kIsSigned ? multiply_signed(w, xq) : _mm256_maddubs_epi16(w, xq);
      sums[r] = _mm256_madd_epi16(products, ones);
    }
    __m256i isum = sums_of(sums);
    if constexpr (Format::kOffset != 0) {
      isum = _mm256_sub_epi32(isum, _mm256_set1_epi32(Format::kOffset * x.sum_32[b]));
    }
    const __m256 scale = _mm256_mul_ps(halves_of<0>(row.at), _mm256_set1_ps(x.scale[b]));
    acc = _mm256_add_ps(acc, _mm256_mul_ps(_mm256_cvtepi32_ps(isum), scale));
    if constexpr (Format::kHasMin) {
      const __m256 min = _mm256_mul_ps(halves_of<2>(row.at), _mm256_set1_ps(x.scaled_sum[b]));
      acc = _mm256_add_ps(acc, min);
    }
    row.advance(Format::kBytes);
  }
  store_first(y, acc, n_rows);
}

// The scales of elements 32 j.. for the pairs that maddubs adds up.
template <class Format>
__m256i scales_of(const KHeader& header, size_t j) {
  if constexpr (Format::kPerScale == 32) return _mm256_set1_epi16(header.scale[j]);
  return _mm256_set_m128i(_mm_set1_epi16(header.scale[2 * j + 1]),
                          _mm_set1_epi16(header.scale[2 * j]));
}

template <class Format>
void dot_256(const uint8_t* rows, size_t row_bytes, size_t n_rows, size_t k,
             const QuantizedColumn& x, float* y) {
  EightRows row(rows, row_bytes, n_rows);
  __m256 acc = _mm256_setzero_ps();
  for (size_t b = 0; b < k / 256; b++) {
    __m256i sums[8], min_sums[8];
    for (int r = 0; r < 8; r++) {
      KHeader header;
      Format::header(row.at[r], header);
      __m256i sum = _mm256_setzero_si256();
      for (size_t j = 0; j < 8; j++) {
        const __m256i products =
            _mm256_maddubs_epi16(Format::quants(row.at[r], j), load_32(x.q + 256 * b + 32 * j));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(scales_of<Format>(header, j), products));
      }
      if constexpr (Format::kHasMin) {  // eight mins, one per sum of 32
        const auto load_8 = [](const int16_t* from) {
          return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
        };
        min_sums[r] =
            _mm256_zextsi128_si256(_mm_madd_epi16(load_8(header.min), load_8(x.sum_32 + 8 * b)));
        sums[r] = sum;
      } else {  // sixteen exact corrections, one per sum of 16
        const __m256i offset = _mm256_madd_epi16(load_32(header.min), load_32(x.sum_16 + 16 * b));
        sums[r] = _mm256_sub_epi32(sum, offset);
      }
    }
    const __m256 x_scale = _mm256_set1_ps(x.scale[b]);
    const __m256 scale = _mm256_mul_ps(halves_of<Format::kScaleAt>(row.at), x_scale);
    acc = _mm256_add_ps(acc, _mm256_mul_ps(_mm256_cvtepi32_ps(sums_of(sums)), scale));
    if constexpr (Format::kHasMin) {
      const __m256 dmin = _mm256_mul_ps(halves_of<Format::kMinAt>(row.at), x_scale);
      acc = _mm256_sub_ps(acc, _mm256_mul_ps(_mm256_cvtepi32_ps(sums_of(min_sums)), dmin));
    }
    row.advance(Format::kBytes);
  }
  store_first(y, acc, n_rows);
}

}  // namespace
}  // namespace hearth::cpu
