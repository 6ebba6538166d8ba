#include <immintrin.h>

#include "backend/cpu/avx512/avx512.h"
#include "backend/cpu/simd/chain.h"

namespace hearth::cpu::avx512 {

uint64_t int8_chain(uint64_t n_rounds) {
  return chain(n_rounds, _mm512_set1_epi8(1), 64,
               [](__m512i sum, __m512i w, __m512i x) { return _mm512_dpbusd_epi32(sum, w, x); });
}

}  // namespace hearth::cpu::avx512
