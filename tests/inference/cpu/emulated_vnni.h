// AVX-512 and AVX-VNNI on any x86-64: SIMDe under the names of the instructions, and what SIMDe
// 0.7.4 (Debian 12) lacks of what the files of avx512/ and avxvnni/ use.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <cstddef>
#include <cstdint>

inline simde__m512 emulated_cvtepi32_ps(simde__m512i v) {
  simde__m512i_private in = simde__m512i_to_private(v);
  simde__m512_private out;
  for (int i = 0; i < 16; i++) out.f32[i] = static_cast<float>(in.i32[i]);
  return simde__m512_from_private(out);
}

// The bytes of a vector of 16 or 32, widened to lanes of type To.
template <class To, class From, class Vector>
inline simde__m512i emulated_widen(Vector bytes) {
  From from[sizeof(Vector)];
  To to[64 / sizeof(To)];
  __builtin_memcpy(from, &bytes, sizeof bytes);
  for (size_t i = 0; i < 64 / sizeof(To); i++) to[i] = from[i];
  simde__m512i out;
  __builtin_memcpy(&out, to, sizeof out);
  return out;
}

inline simde__m512 emulated_cvtph_ps(__m256i halves) {
  const __m256 half[] = {_mm256_cvtph_ps(_mm256_castsi256_si128(halves)),
                         _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1))};
  simde__m512 out;
  __builtin_memcpy(&out, half, sizeof out);
  return out;
}

inline simde__m512i emulated_srai_epi32(simde__m512i v, unsigned n) {
  int32_t lanes[16];
  __builtin_memcpy(lanes, &v, sizeof v);
  for (int32_t& lane : lanes) lane >>= n;
  __builtin_memcpy(&v, lanes, sizeof v);
  return v;
}

inline __m256i emulated_cvtepi32_epi16(simde__m512i v) {
  int32_t lanes[16];
  int16_t words[16];
  __builtin_memcpy(lanes, &v, sizeof v);
  for (int i = 0; i < 16; i++) words[i] = static_cast<int16_t>(lanes[i]);
  __m256i out;
  __builtin_memcpy(&out, words, sizeof out);
  return out;
}

#define _mm512_cvtepi32_epi16 emulated_cvtepi32_epi16
#define _mm512_srai_epi32 emulated_srai_epi32
#define _mm512_cvtepi8_epi32 emulated_widen<int32_t, int8_t>
#define _mm512_cvtepu16_epi32 emulated_widen<uint32_t, uint16_t>
#define _mm512_cvtepu8_epi32 emulated_widen<int32_t, uint8_t>
#define _mm512_cvtepu8_epi16 emulated_widen<int16_t, uint8_t>
#define _mm512_cvtph_ps emulated_cvtph_ps
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps

inline __m256i emulated_dpbusd(__m256i sum, __m256i unsigned_bytes, __m256i signed_bytes) {
  int32_t lanes[8];
  uint8_t a[32];
  int8_t b[32];
  __builtin_memcpy(lanes, &sum, 32);
  __builtin_memcpy(a, &unsigned_bytes, 32);
  __builtin_memcpy(b, &signed_bytes, 32);
  for (int i = 0; i < 32; i++) lanes[i / 4] += a[i] * b[i];
  __builtin_memcpy(&sum, lanes, 32);
  return sum;
}
#define _mm256_dpbusd_avx_epi32 emulated_dpbusd
