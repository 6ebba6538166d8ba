// Attention over pages of integers (kv_page.h): what its kernels compute.
//
// Defined exactly: every path gives the same bits. For one query, whose integers times its scale
// are the query, and a page of which it sees the positions p from first to end:
//   isum[p]  exact; no sum of it leaves 32 bits, as the rows' norms are bounded (int_rows.h)
//   s[p]   = float(isum[p]) * key_scale[p] * factor, factor = query scale * scale * log2(e);
//            with a softcap: softcap * log2(e) * tanh(the same / (softcap * log2(e)))
//   max    = the largest until now; correction = 2^(max before - max)
//   w[p]   = 2^(s[p] - max), by kPowers. Lane l sums those of the positions p % 16 = l:
//            lane = fma(lane, correction, (w[l] + w[l + 16]) + (w[l + 32] + w[l + 48]))
//   v[p]   = w[p] * value_scale[p], rounded to integers of which the page's largest is kMostWeight
//   sums   = fma(float(exact sum of integers), scale, sums * correction)
//
// Like kernels.h, with plain structs and pointers only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cache/page.h"

namespace hearth::cpu {

// Queries of one tile at most.
inline constexpr size_t kTileQueries = 6;
inline constexpr size_t kSumLanes = 16;

// 64 * kMostWeight * kMostValue < 2^31
inline constexpr float kMostWeight = 8191, kMostValue = 4095;
inline constexpr float kLeastWeight = 1e-30f;  // added to the largest, which may be 0

inline constexpr float kLog2E = 1.44269504f;
inline constexpr float kMostBits = 60;  // smaller weights count as 2^-60
// 3 * 2^22: what is added to it loses its fraction and lies in its low bits.
inline constexpr float kMakesInts = 12582912.0f;
// 2^f = 1 + f (kPowers[0] + f (...)) within 2.9e-6 for f in [-0.5, 0.5]; minimax.
inline constexpr float kPowers[] = {0.6931242f, 0.24024099f, 0.055906426f, 0.009582853f};
// tanh(x) = x + x^3 (kTanh[0] + x^2 (...)) near zero.
inline constexpr float kTanh[] = {-1.0f / 3, 2.0f / 15, -17.0f / 315, 62.0f / 2835};

// sums[r * n_columns + c] = exact sum over i < 2 * n_pairs of rows[r * row_stride + i] times
// element i of column c, for r < n_rows and the columns c in [first, end); of no meaning beside
// them. Elements lie in pairs: 0 and 1 of all columns in turn, then 2 and 3.
struct PairProduct {
  const int16_t* rows;
  size_t row_stride, n_rows;  // 1 to kTileQueries
  const uint8_t* pairs;
  size_t n_pairs, n_columns;  // a multiple of 16
  size_t first, end;
  int32_t* sums;
};
using PairProducts = void (*)(const PairProduct& product);

// The part of a page that a query sees: positions [first, end), none if they are equal.
struct SeenPart {
  size_t first, end;
};
// What becomes of a query's sums with a page.
struct PageWeight {
  float correction;  // of the sums of earlier pages
  float scale;       // of this page's integers
};
// One page of n_queries <= kTileQueries queries; arrays are of n_queries if nothing else is said.
struct PageSoftmax {
  size_t n_queries;
  const int32_t* scores;                     // isum (n_queries, kPageTokens)
  const uint8_t *key_scales, *value_scales;  // kPageTokens floats each
  const SeenPart* seen;
  const float* factors;
  float softcap;
  float* max;
  float* lanes;      // (n_queries, kSumLanes): of the sum of weights
  int16_t* weights;  // (n_queries, kPageTokens), 0 where nothing is seen
  PageWeight* of;
};
using SoftmaxInts = void (*)(const PageSoftmax& page);

// `sums` as above of n_queries; width a multiple of 16.
using AddPage = void (*)(const int32_t* ints, const PageWeight* of, size_t n_queries, size_t width,
                         float* sums);

// Integers of i16 from the bytes of i8 (int_rows.h), where they lie (kv_page.h):
//   to = (byte * 2^bits * ratio + 2^14) >> 15
inline constexpr int kKeyBits = 4, kValueBits = 5;
using BytesToInts = void (*)(const uint8_t* ratios, const uint8_t* bytes, size_t dim, int16_t* to);

}  // namespace hearth::cpu
