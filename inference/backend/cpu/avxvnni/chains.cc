// See avx2/chains.cc.
#include <immintrin.h>

#include "backend/cpu/avxvnni/avxvnni.h"

namespace hearth::cpu::avxvnni {

uint64_t int8_chain(uint64_t n_rounds) {
  constexpr int kSums = 12;
  __m256i w = _mm256_set1_epi8(1), x = _mm256_set1_epi8(1), sum[kSums];
  for (__m256i& s : sum) s = _mm256_setzero_si256();
  for (uint64_t i = 0; i < n_rounds; i++) {
    for (__m256i& s : sum) {
      __asm__ volatile("" : "+x"(w), "+x"(x));
      s = _mm256_dpbusd_avx_epi32(s, w, x);
    }
  }
  for (__m256i& s : sum) __asm__ volatile("" : : "x"(s));
  return n_rounds * kSums * 32;
}

}  // namespace hearth::cpu::avxvnni
