#include "backend/cpu/simd/attention.h"

#include "backend/cpu/avx2/avx2.h"
#include "backend/cpu/avx2/elements.h"

namespace hearth::cpu::avx2 {
namespace {

struct V {
  using Floats = __m256;
  static constexpr size_t kLanes = 8;
  static constexpr int kSums = 12;  // of sixteen registers

  // Elements i.. of a row, of which the first n exist.
  template <int kBytes>
  static Floats load(const uint8_t* row, size_t i, size_t n = kLanes) {
    if constexpr (kBytes == 4)
      return n < kLanes ? load_tail<F32>(row, i, n) : F32::load(row, i);
    else
      return n < kLanes ? load_tail<F16>(row, i, n) : F16::load(row, i);
  }
  static void store(float* to, Floats v, size_t n) { store_first(to, v, n); }
  static Floats zero() { return _mm256_setzero_ps(); }
  static Floats all(const float& value) { return _mm256_broadcast_ss(&value); }
  static Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
};

}  // namespace

void score_f32(const uint8_t* keys, size_t first, size_t end, size_t k_dim, const float* queries,
               size_t n_queries, float* scores) {
  score<V, 4>(keys, first, end, k_dim, queries, n_queries, scores);
}
void score_f16(const uint8_t* keys, size_t first, size_t end, size_t k_dim, const float* queries,
               size_t n_queries, float* scores) {
  score<V, 2>(keys, first, end, k_dim, queries, n_queries, scores);
}

void weighted_sum_f32(const float* p, size_t n_queries, const float* correction, const uint8_t* v,
                      size_t n, size_t head_dim, float* acc) {
  sum<V, 4>({p, correction, v, n, head_dim, acc}, n_queries);
}
void weighted_sum_f16(const float* p, size_t n_queries, const float* correction, const uint8_t* v,
                      size_t n, size_t head_dim, float* acc) {
  sum<V, 2>({p, correction, v, n, head_dim, acc}, n_queries);
}

}  // namespace hearth::cpu::avx2
