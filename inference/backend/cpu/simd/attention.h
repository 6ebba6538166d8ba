// Attention's two products in float32 over the positions of one page. Keys are transposed, so that
// a lane is a position and a score needs no sum across lanes; in the values a lane is an element. A
// tile keeps the sums of up to six queries in registers, so that each vector of the page is loaded
// once for them. What a query gets depends neither on the tile that it is in nor on the width of
// the vectors V. In an anonymous namespace, as all that these folders include (strip_formats.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cpu/kernels.h"

namespace hearth::cpu {
namespace {

// Vectors of sums for each of so many queries: enough to hide an addition's latency.
template <class V, int n_queries>
constexpr int kVectors = n_queries > 3 ? V::kSums / kTileQueries : 4;

// Scores of n_queries queries with n_vectors of positions.
template <class V, int n_queries, int n_vectors>
void score_tile(const uint8_t* keys, size_t k_dim, const float* queries, float* scores) {
  typename V::Floats sum[n_queries][n_vectors];
  for (auto& query : sum) {
    for (auto& s : query) s = V::zero();
  }
  for (size_t d = 0; d < k_dim; d++) {
    typename V::Floats key[n_vectors];
    for (int i = 0; i < n_vectors; i++) key[i] = V::load(keys, d * kPageTokens + V::kLanes * i);
    for (int j = 0; j < n_queries; j++) {
      const typename V::Floats q = V::all(queries[j * k_dim + d]);
      for (int i = 0; i < n_vectors; i++) sum[j][i] = V::fma(q, key[i], sum[j][i]);
    }
  }
  for (int j = 0; j < n_queries; j++) {
    for (int i = 0; i < n_vectors; i++)
      V::store(scores + j * kPageTokens + V::kLanes * i, sum[j][i], V::kLanes);
  }
}

template <class V, int n_queries>
void score_queries(const uint8_t* keys, size_t first, size_t end, size_t k_dim,
                   const float* queries, float* scores) {
  constexpr size_t kLanes = V::kLanes, kStep = kVectors<V, n_queries> * kLanes;
  size_t p = first / kLanes * kLanes;
  for (; p + kStep <= (end + kLanes - 1) / kLanes * kLanes; p += kStep) {
    score_tile<V, n_queries, kVectors<V, n_queries>>(keys + p * sizeof(float), k_dim, queries,
                                                     scores + p);
  }
  for (; p < end; p += kLanes) {
    score_tile<V, n_queries, 1>(keys + p * sizeof(float), k_dim, queries, scores + p);
  }
}

template <class V>
void scores_of(const uint8_t* keys, size_t first, size_t end, size_t k_dim, const float* queries,
               size_t n_queries, float* scores) {
  const auto tile = [&]<int n>(size_t q) {
    score_queries<V, n>(keys, first, end, k_dim, queries + q * k_dim, scores + q * kPageTokens);
  };
  size_t q = 0;
  for (; q + kTileQueries <= n_queries; q += kTileQueries) {
    tile.template operator()<kTileQueries>(q);
  }
  switch (n_queries - q) {
    case 5: return tile.template operator()<5>(q);
    case 4: return tile.template operator()<4>(q);
    case 3: return tile.template operator()<3>(q);
    case 2: return tile.template operator()<2>(q);
    case 1: return tile.template operator()<1>(q);
    default: return;
  }
}

// One call's arguments.
struct Sum {
  const float* p;
  const float* correction;
  const uint8_t* v;
  size_t n;
  size_t head_dim;
  float* acc;
};

// Elements d.. of queries q..: whole vectors, or one of which only `width` elements exist.
template <class V, int n_queries, int n_vectors>
void sum_tile(const Sum& s, size_t q, size_t d, size_t width = V::kLanes) {
  float* acc = s.acc + q * s.head_dim + d;
  typename V::Floats sum[n_queries][n_vectors];
  for (int j = 0; j < n_queries; j++) {
    const typename V::Floats correction = V::all(s.correction[q + j]);
    for (int i = 0; i < n_vectors; i++) {
      const float* from = acc + j * s.head_dim + V::kLanes * i;
      sum[j][i] =
          V::multiply(V::load(reinterpret_cast<const uint8_t*>(from), 0, width), correction);
    }
  }
  for (size_t position = 0; position < s.n; position++) {
    typename V::Floats value[n_vectors];
    for (int i = 0; i < n_vectors; i++) {
      const size_t at = position * s.head_dim + d + V::kLanes * i;
      value[i] = V::load(s.v, at, width);
    }
    for (int j = 0; j < n_queries; j++) {
      const typename V::Floats weight = V::all(s.p[(q + j) * kPageTokens + position]);
      for (int i = 0; i < n_vectors; i++) sum[j][i] = V::fma(weight, value[i], sum[j][i]);
    }
  }
  for (int j = 0; j < n_queries; j++) {
    for (int i = 0; i < n_vectors; i++) {
      V::store(acc + j * s.head_dim + V::kLanes * i, sum[j][i], width);
    }
  }
}

template <class V, int n_queries>
void sum_queries(const Sum& s, size_t q) {
  constexpr size_t kLanes = V::kLanes, kStep = kVectors<V, n_queries> * kLanes;
  size_t d = 0;
  for (; d + kStep <= s.head_dim; d += kStep) {
    sum_tile<V, n_queries, kVectors<V, n_queries>>(s, q, d);
  }
  for (; d < s.head_dim; d += kLanes) {
    sum_tile<V, n_queries, 1>(s, q, d, s.head_dim - d < kLanes ? s.head_dim - d : kLanes);
  }
}

template <class V>
void sums_of(const Sum& s, size_t n_queries) {
  size_t q = 0;
  for (; q + kTileQueries <= n_queries; q += kTileQueries) sum_queries<V, kTileQueries>(s, q);
  switch (n_queries - q) {
    case 5: return sum_queries<V, 5>(s, q);
    case 4: return sum_queries<V, 4>(s, q);
    case 3: return sum_queries<V, 3>(s, q);
    case 2: return sum_queries<V, 2>(s, q);
    case 1: return sum_queries<V, 1>(s, q);
    default: return;
  }
}

}  // namespace
}  // namespace hearth::cpu
