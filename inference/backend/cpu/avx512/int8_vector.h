// Vectors of sixteen rows for simd/strip_products.h, as Avx2 (avx2/int8_vector.h) is, with
// AVX-512-VNNI. Tests compile what includes it a second time with an emulation of the instructions.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#if defined(HEARTH_EMULATED_VNNI)
#include HEARTH_EMULATED_VNNI
#endif

namespace hearth::cpu {
namespace {

inline __m128i load_16(const uint8_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
inline __m256i load_32(const uint8_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

struct Avx512 {
  using Ints = __m512i;
  using Floats = __m512;
  static constexpr size_t kRows = 16;

  static Ints load(const uint8_t* from) { return _mm512_loadu_si512(from); }
  static Ints bytes(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }
  static Ints repeat_16(const uint8_t* from) { return _mm512_broadcast_i32x4(load_16(from)); }
  static Ints broadcast_4(const uint8_t* from) {
    int32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return _mm512_set1_epi32(word);
  }
  static Ints bits_and(Ints a, Ints b) { return _mm512_and_si512(a, b); }
  static Ints bits_or(Ints a, Ints b) { return _mm512_or_si512(a, b); }
  static Ints bits_xor(Ints a, Ints b) { return _mm512_xor_si512(a, b); }
  template <int n>
  static Ints shift_left(Ints v) {
    return _mm512_slli_epi16(v, n);
  }
  template <int n>
  static Ints shift_right(Ints v) {
    return _mm512_srli_epi16(v, n);
  }
  template <int n>
  static Ints shift_right_signed(Ints v) {
    return _mm512_srai_epi32(v, n);
  }
  static Ints look_up(Ints table, Ints code) { return _mm512_shuffle_epi8(table, code); }
  static Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  static Ints times_32(Ints v) { return _mm512_slli_epi32(v, 5); }

  static constexpr bool kSumsInInt16 = false;
  using Partial = __m512i;
  static Partial products(Ints w, Ints x) { return add_products(_mm512_setzero_si512(), w, x); }
  static Partial add_products(Partial sum, Ints w, Ints x) {
    return _mm512_dpbusd_epi32(sum, w, x);
  }
  static Ints widen(Partial sum) { return sum; }
  static Ints scaled(Partial sum, Ints scale) { return _mm512_mullo_epi32(sum, scale); }
  static Ints scales(const uint8_t* from) { return _mm512_cvtepi8_epi32(load_16(from)); }
  static Ints pairs(const uint8_t* from) { return _mm512_cvtepu8_epi16(load_32(from)); }
  static Ints signed_pairs(const uint8_t* from) {
    const __m128i first = load_16(from), second = load_16(from + 16);
    return _mm512_cvtepi8_epi16(
        _mm256_set_m128i(_mm_unpackhi_epi8(first, second), _mm_unpacklo_epi8(first, second)));
  }
  static Ints add_pair_products(Ints sum, Ints a, Ints b) { return _mm512_dpwssd_epi32(sum, a, b); }

  // Not a constant to the compiler, which would clear arrays of it by a slow instruction for
  // memory.
  static Floats zeros() {
    Floats zero = floats(0);
#if !defined(HEARTH_EMULATED_VNNI)
    __asm__("" : "+v"(zero));
#endif
    return zero;
  }
  static Floats floats(float value) { return _mm512_set1_ps(value); }
  static Floats broadcast_float(const uint8_t* from) {
    float value;
    __builtin_memcpy(&value, from, sizeof value);
    return _mm512_set1_ps(value);
  }
  static Floats halves(const uint8_t* from) { return _mm512_cvtph_ps(load_32(from)); }
  static Floats half_exponents(const uint8_t* from) {
    const __m512i e = _mm512_cvtepu8_epi32(load_16(from));
    const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const __m512i tiny =
        _mm512_sllv_epi32(_mm512_set1_epi32(1 << 21), _mm512_min_epu32(e, _mm512_set1_epi32(1)));
    return _mm512_castsi512_ps(_mm512_max_epi32(normal, tiny));
  }
  static Floats to_floats(Ints v) { return _mm512_cvtepi32_ps(v); }
  static Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static void store(float* to, Floats v) { _mm512_storeu_ps(to, v); }
};

}  // namespace
}  // namespace hearth::cpu
