// Vectors of eight rows for simd/strip_products.h: AVX2 multiplies unsigned by signed bytes and
// adds pairs in int16.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace hearth::cpu {
namespace {

struct Avx2 {
  using Ints = __m256i;
  using Floats = __m256;
  static constexpr size_t kRows = 8;

  static Ints load(const uint8_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static Ints bytes(int value) { return _mm256_set1_epi8(static_cast<char>(value)); }
  static Ints repeat_16(const uint8_t* from) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Ints broadcast_4(const uint8_t* from) {
    int32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return _mm256_set1_epi32(word);
  }
  static Ints bits_and(Ints a, Ints b) { return _mm256_and_si256(a, b); }
  static Ints bits_or(Ints a, Ints b) { return _mm256_or_si256(a, b); }
  static Ints bits_xor(Ints a, Ints b) { return _mm256_xor_si256(a, b); }
  // Of 16-bit words: bits that cross into a neighbouring byte are the caller's to mask.
  template <int n>
  static Ints shift_left(Ints v) {
    return _mm256_slli_epi16(v, n);
  }
  template <int n>
  static Ints shift_right(Ints v) {
    return _mm256_srli_epi16(v, n);
  }
  // Of 32-bit words.
  template <int n>
  static Ints shift_right_signed(Ints v) {
    return _mm256_srai_epi32(v, n);
  }
  static Ints look_up(Ints table, Ints code) { return _mm256_shuffle_epi8(table, code); }
  static Ints add(Ints a, Ints b) {
    a = _mm256_add_epi32(a, b);
    __asm__("" : "+x"(a));  // as in add_products
    return a;
  }
  static Ints subtract(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  static Ints times_32(Ints v) { return _mm256_slli_epi32(v, 5); }

  // Sums of products in int16, two for each row, until they are widened.
  static constexpr bool kSumsInInt16 = true;
  using Partial = __m256i;
  static Partial products(Ints w, Ints x) { return _mm256_maddubs_epi16(w, x); }
  static Partial add_products(Partial sum, Ints w, Ints x) {
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, x));
    __asm__("" : "+x"(sum));  // else GCC adds up all products at the end, from memory
    return sum;
  }
  // |w| * (x with the sign of w), as the instruction wants one side unsigned.
  static Partial signed_products(Ints w, Ints x) {
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
  }
  static Ints widen(Partial sum) { return _mm256_madd_epi16(sum, _mm256_set1_epi16(1)); }
  static Ints scaled(Partial sum, Ints scale) { return _mm256_madd_epi16(sum, scale); }

  // A row's signed byte, twice, as int16.
  static Ints scales(const uint8_t* from) {
    const __m256i words =
        _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
    return _mm256_blend_epi16(words, _mm256_slli_epi32(words, 16), 0xaa);
  }
  // Two bytes of a row, next to each other, as int16.
  static Ints pairs(const uint8_t* from) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  // Two signed bytes of a row, kRows apart, as int16.
  static Ints signed_pairs(const uint8_t* from) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(bytes, _mm_srli_si128(bytes, 8)));
  }
  static Ints add_pair_products(Ints sum, Ints a, Ints b) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
  }

  // Not a constant to the compiler, which would clear arrays of it by a slow instruction for
  // memory.
  static Floats zeros() {
    Floats zero = floats(0);
    __asm__("" : "+x"(zero));
    return zero;
  }
  static Floats floats(float value) { return _mm256_set1_ps(value); }
  static Floats broadcast_float(const uint8_t* from) {
    return _mm256_broadcast_ss(reinterpret_cast<const float*>(from));
  }
  static Floats halves(const uint8_t* from) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  // 2^(e - 128) of a row's byte e; below the normal numbers by shifting the bit.
  static Floats half_exponents(const uint8_t* from) {
    const __m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i tiny =
        _mm256_sllv_epi32(_mm256_set1_epi32(1 << 21), _mm256_min_epu32(e, _mm256_set1_epi32(1)));
    return _mm256_castsi256_ps(_mm256_max_epi32(normal, tiny));
  }
  static Floats to_floats(Ints v) { return _mm256_cvtepi32_ps(v); }
  static Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  static void store(float* to, Floats v) { _mm256_storeu_ps(to, v); }
};

}  // namespace
}  // namespace hearth::cpu
