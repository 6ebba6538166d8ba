// The instructions of the products with nothing else around them (machine_speed.h). The compiler
// must not see through them, hence the empty assembly.
#include "backend/cpu/avx2/avx2.h"
#include "backend/cpu/avx2/vector.h"

namespace hearth::cpu::avx2 {
namespace {

constexpr int kSums = 12;  // enough to hide the latency of an addition

}  // namespace

uint64_t int8_chain(uint64_t n_rounds) {
  __m256i w = _mm256_set1_epi8(1), x = _mm256_set1_epi8(1), sum[kSums];
  for (__m256i& s : sum) s = _mm256_setzero_si256();
  for (uint64_t i = 0; i < n_rounds; i++) {
    for (__m256i& s : sum) {
      __asm__ volatile("" : "+x"(w), "+x"(x));
      s = _mm256_add_epi16(s, _mm256_maddubs_epi16(w, x));
    }
  }
  for (__m256i& s : sum) __asm__ volatile("" : : "x"(s));
  return n_rounds * kSums * 32;
}

uint64_t f32_chain(uint64_t n_rounds) {
  __m256 w = _mm256_set1_ps(1), x = _mm256_set1_ps(1), sum[kSums];
  for (__m256& s : sum) s = _mm256_setzero_ps();
  for (uint64_t i = 0; i < n_rounds; i++) {
    for (__m256& s : sum) {
      __asm__ volatile("" : "+x"(w), "+x"(x));
      s = _mm256_fmadd_ps(w, x, s);
    }
  }
  for (__m256& s : sum) __asm__ volatile("" : : "x"(s));
  return n_rounds * kSums * 8;
}

}  // namespace hearth::cpu::avx2
