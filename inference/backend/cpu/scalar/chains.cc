#include "backend/cpu/scalar/scalar.h"

namespace hearth::cpu::scalar {

uint64_t int8_chain(uint64_t n_rounds) {
  int32_t sum = 0;
  for (uint64_t i = 0; i < n_rounds; i++) {
    int32_t w = 1, x = 1;
    __asm__ volatile("" : "+r"(w), "+r"(x));
    sum += w * x;
  }
  __asm__ volatile("" : : "r"(sum));
  return n_rounds;
}

uint64_t f32_chain(uint64_t n_rounds) {
  float sum = 0;
  for (uint64_t i = 0; i < n_rounds; i++) {
    volatile float w = 1;
    sum += w * w;
  }
  volatile float kept = sum;
  (void)kept;
  return n_rounds;
}

}  // namespace hearth::cpu::scalar
