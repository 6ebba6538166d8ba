// See avx2/chains.cc.
#include "backend/cpu/avx512/avx512.h"

#include <immintrin.h>

namespace hearth::cpu::avx512 {

uint64_t int8_chain(uint64_t n_rounds) {
  constexpr int kSums = 12;
  __m512i w = _mm512_set1_epi8(1), x = _mm512_set1_epi8(1), sum[kSums];
  for (__m512i& s : sum) s = _mm512_setzero_si512();
  for (uint64_t i = 0; i < n_rounds; i++) {
    for (__m512i& s : sum) {
      __asm__ volatile("" : "+v"(w), "+v"(x));
      s = _mm512_dpbusd_epi32(s, w, x);
    }
  }
  for (__m512i& s : sum) __asm__ volatile("" : : "v"(s));
  return n_rounds * kSums * 64;
}

}  // namespace hearth::cpu::avx512
