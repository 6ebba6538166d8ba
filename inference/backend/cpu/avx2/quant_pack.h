// Unpacks rows of a quantized matrix into a PackedStrip, eight rows at a time, for products with
// many tokens. Costs about as much as the dot products of three tokens.
//
// Templates over the formats of formats.h; in an anonymous namespace for the reason given there.
#pragma once

#include "backend/cpu/avx2/formats.h"
#include "backend/cpu/avx2/quant_dot.h"
#include "backend/cpu/kernels.h"

namespace hearth::cpu {
namespace {

// Writes 32 elements of eight rows, interleaved, to lanes lane0.. of the strip.
inline void store_groups(const __m256i (&v)[8], const PackedStrip& strip, size_t element,
                         size_t lane0) {
  uint8_t* to = strip.quants + element * strip.rows + 4 * lane0;
  for (size_t g = 0; g < 8; g++) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + g * 4 * strip.rows), v[g]);
  }
}

// The rows of lanes lane0..lane0 + 7.
inline EightRows rows_of_lanes(const uint8_t* rows, size_t row_bytes, size_t n_rows, size_t lane0) {
  const size_t first = lane0 < n_rows ? lane0 : n_rows - 1;
  return EightRows(rows + first * row_bytes, row_bytes, n_rows - first);
}

template <class Format>
void pack_32(const uint8_t* rows, size_t row_bytes, size_t n_rows, size_t k,
             const PackedStrip& strip) {
  for (size_t lane0 = 0; lane0 < strip.rows; lane0 += 8) {
    EightRows row = rows_of_lanes(rows, row_bytes, n_rows, lane0);
    for (size_t b = 0; b < k / 32; b++) {
      __m256i v[8];
      Format::interleaved(row, v);
      store_groups(v, strip, 32 * b, lane0);
      _mm256_storeu_ps(strip.d + b * strip.rows + lane0, halves_of<0>(row));
      if constexpr (Format::kHasMin) {
        _mm256_storeu_ps(strip.m + b * strip.rows + lane0, halves_of<2>(row));
      }
      row.advance(Format::kBytes);
    }
  }
}

template <class Format>
void pack_256(const uint8_t* rows, size_t row_bytes, size_t n_rows, size_t k,
              const PackedStrip& strip) {
  constexpr size_t kScales = 256 / Format::kPerScale;
  for (size_t lane0 = 0; lane0 < strip.rows; lane0 += 8) {
    EightRows row = rows_of_lanes(rows, row_bytes, n_rows, lane0);
    for (size_t b = 0; b < k / 256; b++) {
      for (size_t j = 0; j < 8; j++) {
        __m256i v[8];
        for (int r = 0; r < 8; r++) v[r] = Format::quants(row.at[r], j);
        transpose(v);
        store_groups(v, strip, 256 * b + 32 * j, lane0);
      }
      for (size_t r = 0; r < 8; r++) {
        const KHeader header = Format::header(row.at[r]);
        int16_t scale[16], min[16];
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(scale), header.scale);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(min), header.min);
        int16_t* scales = strip.scales + (b * kScales * strip.rows + lane0 + r) * 2;
        int16_t* mins = strip.mins + (b * kScales / 2 * strip.rows + lane0 + r) * 2;
        for (size_t j = 0; j < kScales; j++) {
          scales[2 * j * strip.rows] = scales[2 * j * strip.rows + 1] = scale[j];
          mins[2 * (j / 2) * strip.rows + j % 2] = min[j];
        }
      }
      _mm256_storeu_ps(strip.d + b * strip.rows + lane0, halves_of<Format::kScaleAt>(row));
      if constexpr (Format::kHasMin) {
        _mm256_storeu_ps(strip.m + b * strip.rows + lane0, halves_of<Format::kMinAt>(row));
      }
      row.advance(Format::kBytes);
    }
  }
}

}  // namespace
}  // namespace hearth::cpu
