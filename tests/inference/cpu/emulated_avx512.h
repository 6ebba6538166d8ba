// AVX-512 on any x86-64: SIMDe under the names of the instructions, and what SIMDe 0.7.4 (Debian
// 12) lacks of what avx512/quantized.cc uses.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

inline simde__m512 emulated_cvtepi32_ps(simde__m512i v) {
  simde__m512i_private in = simde__m512i_to_private(v);
  simde__m512_private out;
  for (int i = 0; i < 16; i++) out.f32[i] = static_cast<float>(in.i32[i]);
  return simde__m512_from_private(out);
}

inline simde__m512i emulated_srai_epi32(simde__m512i v, unsigned count) {
  simde__m512i_private lanes = simde__m512i_to_private(v);
  for (int i = 0; i < 16; i++) lanes.i32[i] >>= count;
  return simde__m512i_from_private(lanes);
}

#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
#define _mm512_srai_epi32 emulated_srai_epi32
