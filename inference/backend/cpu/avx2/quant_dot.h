// Dot products straight from the file's rows, for few tokens: the weights are read once, at memory
// speed, and eight rows share the loads of x. Integer sums end up with a row in each lane, so that
// scaling and accumulating in float costs the same for eight rows as for one: blocks of 32 are
// interleaved in registers beforehand, k-quants, with more to sum per scale, transposed at the end.
//
// Templates over the formats of formats.h; in an anonymous namespace for the reason given there.
#pragma once

#include "backend/cpu/avx2/formats.h"
#include "backend/cpu/kernels.h"

namespace hearth::cpu {
namespace {

inline __m256i broadcast_4(const void* from) {
  return _mm256_set1_epi32(static_cast<int>(load_u32(static_cast<const uint8_t*>(from))));
}

// Sums of pairs of products as int16. Signed weights: |w| * (x with the sign of w), as the
// instruction wants one side unsigned.
template <bool is_signed>
inline __m256i multiply(__m256i w, __m256i x) {
  if constexpr (!is_signed) return _mm256_maddubs_epi16(w, x);
  return _mm256_maddubs_epi16(_mm256_sign_epi8(w, w), _mm256_sign_epi8(x, w));
}

// The integer dot product of a block of 32 for each of eight rows.
template <class Format>
inline __m256i block_sums(const EightRows& row, const int8_t* x) {
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (Format::kIsSigned) {  // interleaving bytes costs more than it saves
    const __m256i all_x = load_32(x);
    __m256i sums[8];
    for (int r = 0; r < 8; r++) {
      sums[r] = _mm256_madd_epi16(multiply<true>(Format::quants(row.at[r]), all_x), ones);
    }
    return sums_of(sums);
  } else {
    __m256i w[8];
    Format::interleaved(row, w);
    __m256i sum = _mm256_setzero_si256();
    for (int first = 0; first < 8; first += Format::kFold) {
      __m256i words = multiply<false>(w[first], broadcast_4(x + 4 * first));
      for (int g = first + 1; g < first + Format::kFold; g++) {
        words = _mm256_add_epi16(words, multiply<false>(w[g], broadcast_4(x + 4 * g)));
      }
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(words, ones));
    }
    return sum;
  }
}

template <class Format>
void dot_32(const uint8_t* rows, size_t row_bytes, size_t n_rows, size_t k,
            const QuantizedColumn& x, float* y) {
  EightRows row(rows, row_bytes, n_rows);
  __m256 acc = _mm256_setzero_ps();
  for (size_t b = 0; b < k / 32; b++) {
    __m256i isum = block_sums<Format>(row, x.q + 32 * b);
    if constexpr (Format::kOffset != 0) {
      isum = _mm256_sub_epi32(isum, _mm256_set1_epi32(Format::kOffset * x.sum_32[b]));
    }
    const __m256 values = _mm256_cvtepi32_ps(isum), x_scale = _mm256_set1_ps(x.scale[b]);
    if constexpr (Format::kHasMin) {
      const ScaleAndMin w = scales_and_mins_of(row);
      acc = _mm256_add_ps(acc, _mm256_mul_ps(values, _mm256_mul_ps(w.d, x_scale)));
      acc = _mm256_add_ps(acc, _mm256_mul_ps(w.m, _mm256_set1_ps(x.scaled_sum[b])));
    } else {
      acc = _mm256_add_ps(acc, _mm256_mul_ps(values, _mm256_mul_ps(halves_of<0>(row), x_scale)));
    }
    row.advance(Format::kBytes);
  }
  store_first(y, acc, n_rows);
}

// The scales of elements 32 j.., in the lanes of the products that they multiply.
template <class Format>
inline __m256i scales_of(const KHeader& header, size_t j) {
  if constexpr (Format::kPerScale == 32) {
    return _mm256_shuffle_epi8(header.scale,
                               _mm256_set1_epi16(static_cast<short>(0x0100 + 0x0202 * j)));
  } else {  // one for each half
    const __m256i eight = j < 4 ? _mm256_permute2x128_si256(header.scale, header.scale, 0x00)
                                : _mm256_permute2x128_si256(header.scale, header.scale, 0x11);
    const short first = static_cast<short>(0x0100 + 0x0404 * (j % 4));
    const short second = static_cast<short>(first + 0x0202);
    return _mm256_shuffle_epi8(eight,
                               _mm256_set_m128i(_mm_set1_epi16(second), _mm_set1_epi16(first)));
  }
}

template <class Format>
void dot_256(const uint8_t* rows, size_t row_bytes, size_t n_rows, size_t k,
             const QuantizedColumn& x, float* y) {
  EightRows row(rows, row_bytes, n_rows);
  __m256 acc = _mm256_setzero_ps();
  for (size_t b = 0; b < k / 256; b++) {
    __m256i sums[8], min_sums[8];
    for (int r = 0; r < 8; r++) {
      const KHeader header = Format::header(row.at[r]);
      __m256i sum = _mm256_setzero_si256();
      for (size_t j = 0; j < 8; j++) {
        const __m256i products =
            _mm256_maddubs_epi16(Format::quants(row.at[r], j), load_32(x.q + 256 * b + 32 * j));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(scales_of<Format>(header, j), products));
      }
      if constexpr (Format::kHasMin) {  // eight mins, one per sum of 32
        const __m128i mins = _mm256_castsi256_si128(header.min);
        min_sums[r] = _mm256_zextsi128_si256(_mm_madd_epi16(mins, load_16(x.sum_32 + 8 * b)));
        sums[r] = sum;
      } else {  // sixteen exact corrections, one per sum of 16
        const __m256i offset = _mm256_madd_epi16(header.min, load_32(x.sum_16 + 16 * b));
        sums[r] = _mm256_sub_epi32(sum, offset);
      }
    }
    const __m256 x_scale = _mm256_set1_ps(x.scale[b]);
    const __m256 scale = _mm256_mul_ps(halves_of<Format::kScaleAt>(row), x_scale);
    acc = _mm256_add_ps(acc, _mm256_mul_ps(_mm256_cvtepi32_ps(sums_of(sums)), scale));
    if constexpr (Format::kHasMin) {
      const __m256 dmin = _mm256_mul_ps(halves_of<Format::kMinAt>(row), x_scale);
      acc = _mm256_sub_ps(acc, _mm256_mul_ps(_mm256_cvtepi32_ps(sums_of(min_sums)), dmin));
    }
    row.advance(Format::kBytes);
  }
  store_first(y, acc, n_rows);
}

}  // namespace
}  // namespace hearth::cpu
