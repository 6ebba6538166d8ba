// The quantized block formats as AVX2 reads them: 32 elements at a time, in order, one byte each.
// Layouts: gguf/quant.cc. In an anonymous namespace for the reason given in vector.h.
#pragma once

#include "backend/cpu/avx2/vector.h"

namespace hearth::cpu {
namespace {

inline uint32_t load_u32(const uint8_t* from) {
  uint32_t word;
  __builtin_memcpy(&word, from, sizeof word);
  return word;
}

inline uint16_t load_u16_at(const uint8_t* from) {
  uint16_t word;
  __builtin_memcpy(&word, from, sizeof word);
  return word;
}

inline __m256i load_32(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

// Byte j holds element j (low nibble) and element j + 16 (high nibble).
inline __m256i nibbles(const uint8_t* qs) {
  const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(qs));
  const __m256i both = _mm256_set_m128i(_mm_srli_epi16(raw, 4), raw);
  return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

// Bit j of a 32-bit word becomes 16 in byte j.
inline __m256i fifth_bits(const uint8_t* qh) {
  const __m256i word = _mm256_set1_epi32(static_cast<int>(load_u32(qh)));
  const __m256i byte_of =
      _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
  const __m256i here = _mm256_and_si256(_mm256_shuffle_epi8(word, byte_of), bit);
  return _mm256_and_si256(_mm256_cmpeq_epi8(here, bit), _mm256_set1_epi8(16));
}

// The f16 at `offset` of eight blocks.
template <size_t offset>
inline __m256 halves_of(const uint8_t* const (&block)[8]) {
  const auto at = [&](int r) { return static_cast<short>(load_u16_at(block[r] + offset)); };
  return _mm256_cvtph_ps(_mm_setr_epi16(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)));
}

// --- Blocks of 32: w = d * (q - kOffset) + m; f16 d at byte 0, f16 m at byte 2 if any ---
//
// kFold: how many products of a weight with an int8 pair may be added in int16 without overflow.

struct Q4_0 {
  static constexpr size_t kBytes = 18;
  static constexpr int kOffset = 8, kFold = 8;
  static constexpr bool kHasMin = false, kIsSigned = false;
  static __m256i quants(const uint8_t* block) { return nibbles(block + 2); }
};

struct Q4_1 {
  static constexpr size_t kBytes = 20;
  static constexpr int kOffset = 0, kFold = 8;
  static constexpr bool kHasMin = true, kIsSigned = false;
  static __m256i quants(const uint8_t* block) { return nibbles(block + 4); }
};

struct Q5_0 {
  static constexpr size_t kBytes = 22;
  static constexpr int kOffset = 16, kFold = 4;
  static constexpr bool kHasMin = false, kIsSigned = false;
  static __m256i quants(const uint8_t* block) {
    return _mm256_or_si256(nibbles(block + 6), fifth_bits(block + 2));
  }
};

struct Q5_1 {
  static constexpr size_t kBytes = 24;
  static constexpr int kOffset = 0, kFold = 4;
  static constexpr bool kHasMin = true, kIsSigned = false;
  static __m256i quants(const uint8_t* block) {
    return _mm256_or_si256(nibbles(block + 8), fifth_bits(block + 4));
  }
};

struct Q8_0 {
  static constexpr size_t kBytes = 34;
  static constexpr int kOffset = 0, kFold = 1;
  static constexpr bool kHasMin = false, kIsSigned = true;
  static __m256i quants(const uint8_t* block) { return load_32(block + 2); }
};

// --- Blocks of 256: w = d * scale * (q - kOffset) - dmin * min ---
//
// A scale covers kPerScale elements. min_pairs() gives what is subtracted from the integer sum,
// one int16 per kPerScale elements, to be multiplied with the sums of x: the format's mins (scaled
// by dmin afterwards), or kOffset times the scale (exact in the integer sum).

struct KHeader {
  int16_t scale[16];
  int16_t min[16];
};

// Eight 6-bit scales and eight 6-bit mins in twelve bytes: see gguf/k_scales.h.
inline void read_six_bits(const uint8_t* packed, KHeader& out) {
  const uint32_t a = load_u32(packed), b = load_u32(packed + 4), c = load_u32(packed + 8);
  const uint32_t words[4] = {a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030),
                             b & 0x3f3f3f3f, (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)};
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out.scale), _mm_cvtepu8_epi16(bytes));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out.min),
                   _mm_cvtepu8_epi16(_mm_srli_si128(bytes, 8)));
}

// Elements 32 j.. of 4-bit codes: chunk j / 2 of 32 bytes, low nibbles for even j.
inline __m256i k_nibbles(const uint8_t* qs, size_t j) {
  const __m256i raw = load_32(qs + 32 * (j / 2));
  return _mm256_and_si256(j % 2 == 0 ? raw : _mm256_srli_epi16(raw, 4), _mm256_set1_epi8(15));
}

struct Q4_K {
  static constexpr size_t kBytes = 144, kScaleAt = 0, kMinAt = 2, kPerScale = 32;
  static constexpr int kFold = 8;
  static constexpr bool kHasMin = true;
  static void header(const uint8_t* block, KHeader& out) { read_six_bits(block + 4, out); }
  static __m256i quants(const uint8_t* block, size_t j) { return k_nibbles(block + 16, j); }
};

struct Q5_K {
  static constexpr size_t kBytes = 176, kScaleAt = 0, kMinAt = 2, kPerScale = 32;
  static constexpr int kFold = 4;
  static constexpr bool kHasMin = true;
  static void header(const uint8_t* block, KHeader& out) { read_six_bits(block + 4, out); }
  static __m256i quants(const uint8_t* block, size_t j) {
    const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(j));
    const __m256i bit =
        _mm256_and_si256(_mm256_srl_epi16(load_32(block + 16), shift), _mm256_set1_epi8(1));
    return _mm256_or_si256(k_nibbles(block + 48, j), _mm256_slli_epi16(bit, 4));
  }
};

struct Q6_K {
  static constexpr size_t kBytes = 210, kScaleAt = 208, kMinAt = 208, kPerScale = 16;
  static constexpr int kOffset = 32, kFold = 2;
  static constexpr bool kHasMin = false;
  static void header(const uint8_t* block, KHeader& out) {
    const __m128i scales = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 192));
    const __m256i wide = _mm256_cvtepi8_epi16(scales);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.scale), wide);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.min), _mm256_slli_epi16(wide, 5));
  }
  static __m256i quants(const uint8_t* block, size_t j) {
    const size_t half = j / 4, part = j % 4;
    const __m256i low = load_32(block + 64 * half + 32 * (part % 2));
    const __m256i high = load_32(block + 128 + 32 * half);
    const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(2 * part));
    const __m256i bits = _mm256_and_si256(_mm256_srl_epi16(high, shift), _mm256_set1_epi8(3));
    const __m256i nibble =
        _mm256_and_si256(part < 2 ? low : _mm256_srli_epi16(low, 4), _mm256_set1_epi8(15));
    return _mm256_or_si256(nibble, _mm256_slli_epi16(bits, 4));
  }
};

}  // namespace
}  // namespace hearth::cpu
