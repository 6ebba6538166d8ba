// Attention's weighted sum of values. Lanes are elements of the head; a tile keeps the sums of up
// to four queries in registers over all positions, so that each value is loaded once for them.
#include "backend/cpu/avx2/avx2.h"
#include "backend/cpu/avx2/vector.h"

namespace hearth::cpu::avx2 {
namespace {

// One call's arguments.
struct Sum {
  const float* p;
  size_t p_stride;
  const float* correction;
  const float* v;
  size_t n;
  size_t head_dim;
  float* acc;
};

// Elements d.. of queries q..: whole vectors, or one of which only `width` elements exist.
template <int n_queries, int n_vectors>
void tile(const Sum& s, size_t q, size_t d, size_t width = kLanes) {
  const auto load = [&](const float* from) {
    return n_vectors == 1 ? load_first(from, width) : _mm256_loadu_ps(from);
  };
  float* acc = s.acc + q * s.head_dim + d;
  __m256 sum[n_queries][n_vectors];
  for (int j = 0; j < n_queries; j++) {
    const __m256 correction = _mm256_set1_ps(s.correction[q + j]);
    for (int i = 0; i < n_vectors; i++) {
      sum[j][i] = _mm256_mul_ps(load(acc + j * s.head_dim + 8 * i), correction);
    }
  }
  for (size_t position = 0; position < s.n; position++) {
    __m256 value[n_vectors];
    for (int i = 0; i < n_vectors; i++) value[i] = load(s.v + position * s.head_dim + d + 8 * i);
    for (int j = 0; j < n_queries; j++) {
      const __m256 weight = _mm256_set1_ps(s.p[(q + j) * s.p_stride + position]);
      for (int i = 0; i < n_vectors; i++) sum[j][i] = _mm256_fmadd_ps(weight, value[i], sum[j][i]);
    }
  }
  for (int j = 0; j < n_queries; j++) {
    for (int i = 0; i < n_vectors; i++) {
      store_first(acc + j * s.head_dim + 8 * i, sum[j][i], n_vectors == 1 ? width : kLanes);
    }
  }
}

template <int n_queries>
void all_of(const Sum& s, size_t q) {
  constexpr int kVectors = n_queries > 2 ? 2 : 4;  // eight sums hide the latency of an addition
  size_t d = 0;
  for (; d + kVectors * kLanes <= s.head_dim; d += kVectors * kLanes) {
    tile<n_queries, kVectors>(s, q, d);
  }
  for (; d < s.head_dim; d += kLanes) tile<n_queries, 1>(s, q, d, s.head_dim - d);
}

}  // namespace

void weighted_sum(const float* p, size_t p_stride, size_t n_queries, const float* correction,
                  const float* v, size_t n, size_t head_dim, float* acc) {
  const Sum s{p, p_stride, correction, v, n, head_dim, acc};
  size_t q = 0;
  for (; q + 4 <= n_queries; q += 4) all_of<4>(s, q);
  switch (n_queries - q) {
    case 3: return all_of<3>(s, q);
    case 2: return all_of<2>(s, q);
    case 1: return all_of<1>(s, q);
    default: return;
  }
}

}  // namespace hearth::cpu::avx2
