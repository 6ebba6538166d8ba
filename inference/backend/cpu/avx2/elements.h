// Float types as vectors of eight float32. In an anonymous namespace for the reason given in
// vector.h.
#pragma once

#include "backend/cpu/avx2/vector.h"

namespace hearth::cpu {
namespace {

// How eight (or the first n) elements at index i of a row become float32.

struct F32 {
  static constexpr size_t kBytes = 4;
  static __m256 load(const uint8_t* row, size_t i) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(row) + i);
  }
};

struct F16 {
  static constexpr size_t kBytes = 2;
  static __m256 load(const uint8_t* row, size_t i) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + 2 * i)));
  }
};

struct BF16 {
  static constexpr size_t kBytes = 2;
  static __m256 load(const uint8_t* row, size_t i) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + 2 * i));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
};

template <class Element>
__m256 load_tail(const uint8_t* row, size_t i, size_t n) {
  uint8_t copy[kLanes * 4] = {};
  __builtin_memcpy(copy, row + i * Element::kBytes, n * Element::kBytes);
  return Element::load(copy, 0);
}

}  // namespace
}  // namespace hearth::cpu
