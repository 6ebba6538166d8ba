// Attention's two products over the positions of one page. Keys are transposed, so that a lane is a
// position and a score needs no sum across lanes; in the values a lane is an element. A tile keeps
// the sums of up to six queries in registers, so that each vector of the page is loaded (and
// converted) once for them. What a query gets does not depend on the tile that it is in.
#include "backend/cpu/avx2/avx2.h"
#include "backend/cpu/avx2/elements.h"

namespace hearth::cpu::avx2 {
namespace {

constexpr size_t kTileQueries = 6;

// Scores of n_queries queries with 8 * n_vectors positions.
template <class Element, int n_queries, int n_vectors>
void score_tile(const uint8_t* keys, size_t k_dim, const float* queries, float* scores) {
  __m256 sum[n_queries][n_vectors];
  for (auto& query : sum) {
    for (__m256& s : query) s = _mm256_setzero_ps();
  }
  for (size_t d = 0; d < k_dim; d++) {
    __m256 key[n_vectors];
    for (int i = 0; i < n_vectors; i++) key[i] = Element::load(keys, d * kPageTokens + 8 * i);
    for (int j = 0; j < n_queries; j++) {
      const __m256 q = _mm256_broadcast_ss(queries + j * k_dim + d);
      for (int i = 0; i < n_vectors; i++) sum[j][i] = _mm256_fmadd_ps(q, key[i], sum[j][i]);
    }
  }
  for (int j = 0; j < n_queries; j++) {
    for (int i = 0; i < n_vectors; i++)
      _mm256_storeu_ps(scores + j * kPageTokens + 8 * i, sum[j][i]);
  }
}

template <class Element, int n_queries>
void score_queries(const uint8_t* keys, size_t first, size_t end, size_t k_dim,
                   const float* queries, float* scores) {
  constexpr int kVectors = n_queries > 3 ? 2 : 4;  // twelve sums hide the latency of an addition
  size_t p = first / kLanes * kLanes;
  for (; p + kVectors * kLanes <= (end + kLanes - 1) / kLanes * kLanes; p += kVectors * kLanes) {
    score_tile<Element, n_queries, kVectors>(keys + p * Element::kBytes, k_dim, queries,
                                             scores + p);
  }
  for (; p < end; p += kLanes) {
    score_tile<Element, n_queries, 1>(keys + p * Element::kBytes, k_dim, queries, scores + p);
  }
}

template <class Element>
void score(const uint8_t* keys, size_t first, size_t end, size_t k_dim, const float* queries,
           size_t n_queries, float* scores) {
  const auto tile = [&]<int n>(size_t q) {
    score_queries<Element, n>(keys, first, end, k_dim, queries + q * k_dim,
                              scores + q * kPageTokens);
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
template <class Element, int n_queries, int n_vectors>
void sum_tile(const Sum& s, size_t q, size_t d, size_t width = kLanes) {
  float* acc = s.acc + q * s.head_dim + d;
  __m256 sum[n_queries][n_vectors];
  for (int j = 0; j < n_queries; j++) {
    const __m256 correction = _mm256_set1_ps(s.correction[q + j]);
    for (int i = 0; i < n_vectors; i++) {
      sum[j][i] = _mm256_mul_ps(load_first(acc + j * s.head_dim + 8 * i, width), correction);
    }
  }
  for (size_t position = 0; position < s.n; position++) {
    __m256 value[n_vectors];
    for (int i = 0; i < n_vectors; i++) {
      const size_t at = position * s.head_dim + d + 8 * i;
      value[i] = width < kLanes ? load_tail<Element>(s.v, at, width) : Element::load(s.v, at);
    }
    for (int j = 0; j < n_queries; j++) {
      const __m256 weight = _mm256_broadcast_ss(s.p + (q + j) * kPageTokens + position);
      for (int i = 0; i < n_vectors; i++) sum[j][i] = _mm256_fmadd_ps(weight, value[i], sum[j][i]);
    }
  }
  for (int j = 0; j < n_queries; j++) {
    for (int i = 0; i < n_vectors; i++) {
      store_first(acc + j * s.head_dim + 8 * i, sum[j][i], width);
    }
  }
}

template <class Element, int n_queries>
void sum_queries(const Sum& s, size_t q) {
  constexpr int kVectors = n_queries > 3 ? 2 : 4;
  size_t d = 0;
  for (; d + kVectors * kLanes <= s.head_dim; d += kVectors * kLanes) {
    sum_tile<Element, n_queries, kVectors>(s, q, d);
  }
  for (; d < s.head_dim; d += kLanes) {
    sum_tile<Element, n_queries, 1>(s, q, d, s.head_dim - d < kLanes ? s.head_dim - d : kLanes);
  }
}

template <class Element>
void sum(const Sum& s, size_t n_queries) {
  size_t q = 0;
  for (; q + kTileQueries <= n_queries; q += kTileQueries) sum_queries<Element, kTileQueries>(s, q);
  switch (n_queries - q) {
    case 5: return sum_queries<Element, 5>(s, q);
    case 4: return sum_queries<Element, 4>(s, q);
    case 3: return sum_queries<Element, 3>(s, q);
    case 2: return sum_queries<Element, 2>(s, q);
    case 1: return sum_queries<Element, 1>(s, q);
    default: return;
  }
}

}  // namespace

void score_f32(const uint8_t* keys, size_t first, size_t end, size_t k_dim, const float* queries,
               size_t n_queries, float* scores) {
  score<F32>(keys, first, end, k_dim, queries, n_queries, scores);
}
void score_f16(const uint8_t* keys, size_t first, size_t end, size_t k_dim, const float* queries,
               size_t n_queries, float* scores) {
  score<F16>(keys, first, end, k_dim, queries, n_queries, scores);
}

void weighted_sum_f32(const float* p, size_t n_queries, const float* correction, const uint8_t* v,
                      size_t n, size_t head_dim, float* acc) {
  sum<F32>({p, correction, v, n, head_dim, acc}, n_queries);
}
void weighted_sum_f16(const float* p, size_t n_queries, const float* correction, const uint8_t* v,
                      size_t n, size_t head_dim, float* acc) {
  sum<F16>({p, correction, v, n, head_dim, acc}, n_queries);
}

}  // namespace hearth::cpu::avx2
