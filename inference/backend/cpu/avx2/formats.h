// The quantized block formats as AVX2 reads them: one byte an element, formats of 32 elements a
// block for eight rows at a time, k-quants row by row. Layouts: gguf/quant.cc.
//
// kFold: how many vectors of products with x may be added in int16 before one could overflow.
// In an anonymous namespace for the reason given in vector.h.
#pragma once

#include "backend/cpu/avx2/eight_rows.h"

namespace hearth::cpu {
namespace {

// --- Blocks of 32: w = d * (q - kOffset) + m; f16 d at byte 0, f16 m at byte 2 if any ---

struct Q4_0 {
  static constexpr size_t kBytes = 18;
  static constexpr int kOffset = 8, kFold = 8;
  static constexpr bool kHasMin = false, kIsSigned = false;
  static void interleaved(const EightRows& row, __m256i (&out)[8]) {
    interleave_nibbles<2>(row, out);
  }
};

struct Q4_1 {
  static constexpr size_t kBytes = 20;
  static constexpr int kOffset = 0, kFold = 8;
  static constexpr bool kHasMin = true, kIsSigned = false;
  static void interleaved(const EightRows& row, __m256i (&out)[8]) {
    interleave_nibbles<4>(row, out);
  }
};

struct Q5_0 {
  static constexpr size_t kBytes = 22;
  static constexpr int kOffset = 16, kFold = 4;
  static constexpr bool kHasMin = false, kIsSigned = false;
  static void interleaved(const EightRows& row, __m256i (&out)[8]) {
    interleave_nibbles<6>(row, out);
    add_fifth_bits<2>(row, out);
  }
};

struct Q5_1 {
  static constexpr size_t kBytes = 24;
  static constexpr int kOffset = 0, kFold = 4;
  static constexpr bool kHasMin = true, kIsSigned = false;
  static void interleaved(const EightRows& row, __m256i (&out)[8]) {
    interleave_nibbles<8>(row, out);
    add_fifth_bits<4>(row, out);
  }
};

struct Q8_0 {
  static constexpr size_t kBytes = 34;
  static constexpr int kOffset = 0, kFold = 1;
  static constexpr bool kHasMin = false, kIsSigned = true;
  static __m256i quants(const uint8_t* block) { return load_32(block + 2); }
  static void interleaved(const EightRows& row, __m256i (&out)[8]) {
    for (int r = 0; r < 8; r++) out[r] = quants(row.at[r]);
    transpose(out);
  }
};

// --- Blocks of 256: w = d * scale * (q - 32 if signed) - dmin * min ---
//
// A scale covers kPerScale elements, and so does what is subtracted, times the sum of x: the
// format's min (in a sum of its own, scaled by dmin), or 32 times the scale where quants are signed
// (in the same integer sum, exactly).

struct KHeader {
  __m256i scale;  // sixteen int16, or eight of them twice
  __m256i min;    // sixteen int16, or eight and zeros
};

// Eight 6-bit scales and eight 6-bit mins in twelve bytes: see gguf/k_scales.h.
inline KHeader six_bit_header(const uint8_t* packed) {
  const uint32_t a = load_u32(packed), b = load_u32(packed + 4), c = load_u32(packed + 8);
  const uint32_t scales = (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030);  // the last four
  const uint32_t mins = (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030);
  const __m256i both = _mm256_cvtepu8_epi16(
      _mm_setr_epi32(static_cast<int>(a & 0x3f3f3f3f), static_cast<int>(scales),
                     static_cast<int>(b & 0x3f3f3f3f), static_cast<int>(mins)));
  return {_mm256_permute2x128_si256(both, both, 0x00), _mm256_permute2x128_si256(both, both, 0x81)};
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
  static KHeader header(const uint8_t* block) { return six_bit_header(block + 4); }
  static __m256i quants(const uint8_t* block, size_t j) { return k_nibbles(block + 16, j); }
};

struct Q5_K {
  static constexpr size_t kBytes = 176, kScaleAt = 0, kMinAt = 2, kPerScale = 32;
  static constexpr int kFold = 4;
  static constexpr bool kHasMin = true;
  static KHeader header(const uint8_t* block) { return six_bit_header(block + 4); }
  static __m256i quants(const uint8_t* block, size_t j) {
    const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(j));
    const __m256i bit =
        _mm256_and_si256(_mm256_srl_epi16(load_32(block + 16), shift), _mm256_set1_epi8(1));
    return _mm256_or_si256(k_nibbles(block + 48, j), _mm256_slli_epi16(bit, 4));
  }
};

struct Q6_K {
  static constexpr size_t kBytes = 210, kScaleAt = 208, kMinAt = 208, kPerScale = 16;
  static constexpr int kFold = 2;
  static constexpr bool kHasMin = false;
  static KHeader header(const uint8_t* block) {
    const __m256i scales = _mm256_cvtepi8_epi16(load_16(block + 192));
    return {scales, _mm256_slli_epi16(scales, 5)};
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
