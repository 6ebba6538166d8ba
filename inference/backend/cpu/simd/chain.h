// The instruction of a product with nothing else around it (machine_speed.h). The compiler must not
// see through it, hence the empty assembly.
// In an anonymous namespace, as all that these folders include (strip_formats.h).
#pragma once

#include <cstdint>

namespace hearth::cpu {
namespace {

// Repeats sum = step(sum, w, x) on vectors of n_elements products, in so many chains that the
// latency of an addition is hidden. Returns how many products that were.
template <class V, class Step>
[[gnu::always_inline]] inline uint64_t chain(uint64_t n_rounds, V w, uint64_t n_elements,
                                             const Step& step) {
  constexpr int kSums = 12;
  V x = w, sum[kSums] = {};
  for (uint64_t i = 0; i < n_rounds; i++) {
    for (V& s : sum) {
      __asm__ volatile("" : "+v"(w), "+v"(x));
      s = step(s, w, x);
    }
  }
  for (V& s : sum) __asm__ volatile("" : : "v"(s));
  return n_rounds * kSums * n_elements;
}

}  // namespace
}  // namespace hearth::cpu
