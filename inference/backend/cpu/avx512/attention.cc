#include "backend/cpu/simd/attention.h"

#include "backend/cpu/avx512/avx512.h"
#include "backend/cpu/avx512/int8_vector.h"

namespace hearth::cpu::avx512 {
namespace {

struct V {
  using Floats = __m512;
  static constexpr size_t kLanes = 16;
  static constexpr int kSums = 24;  // of thirty-two registers

  // Elements i.. of a row, of which the first n exist.
  template <int kBytes>
  static Floats load(const uint8_t* row, size_t i, size_t n = kLanes) {
    const uint8_t* from = row + i * kBytes;
    uint8_t copy[kLanes * kBytes];
    if (n < kLanes) {
      __builtin_memset(copy, 0, sizeof copy);
      __builtin_memcpy(copy, from, n * kBytes);
      from = copy;
    }
    if constexpr (kBytes == 4)
      return _mm512_loadu_ps(from);
    else
      return Avx512::halves(from);
  }
  static void store(float* to, Floats v, size_t n) {
    if (n == kLanes) return Avx512::store(to, v);
    float copy[kLanes];
    Avx512::store(copy, v);
    __builtin_memcpy(to, copy, n * sizeof(float));
  }
  static Floats zero() { return Avx512::floats(0); }
  static Floats all(float value) { return Avx512::floats(value); }
  static Floats multiply(Floats a, Floats b) { return Avx512::multiply(a, b); }
  static Floats fma(Floats a, Floats b, Floats c) { return Avx512::fma(a, b, c); }
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

}  // namespace hearth::cpu::avx512
