#include "backend/cpu/avx2/avx2.h"
#include "backend/cpu/avx2/vector.h"
#include "backend/cpu/simd/chain.h"

namespace hearth::cpu::avx2 {

uint64_t int8_chain(uint64_t n_rounds) {
  return chain(n_rounds, _mm256_set1_epi8(1), 32, [](__m256i sum, __m256i w, __m256i x) {
    return _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, x));
  });
}

uint64_t f32_chain(uint64_t n_rounds) {
  return chain(n_rounds, _mm256_set1_ps(1), 8,
               [](__m256 sum, __m256 w, __m256 x) { return _mm256_fmadd_ps(w, x, sum); });
}

}  // namespace hearth::cpu::avx2
