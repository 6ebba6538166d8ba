#include <immintrin.h>

#include "backend/cpu/avxvnni/avxvnni.h"
#include "backend/cpu/simd/chain.h"

namespace hearth::cpu::avxvnni {

uint64_t int8_chain(uint64_t n_rounds) {
  return chain(n_rounds, _mm256_set1_epi8(1), 32, [](__m256i sum, __m256i w, __m256i x) {
    return _mm256_dpbusd_avx_epi32(sum, w, x);
  });
}

}  // namespace hearth::cpu::avxvnni
