// As avx2/quant_gemm.h with strips of 16 rows and one dpbusd where AVX2 needs three instructions:
// it multiplies 64 unsigned by signed bytes, sums fours exactly and adds them to 16 lanes of int32.
// Signed weights become unsigned by adding 128, which the sums of x take back. Eight tokens share
// the loads of the weights.
//
// Tests compile this file a second time with an emulation of the instructions.
#include "backend/cpu/avx512/avx512.h"

#include "backend/cpu/avx2/quant_dot.h"
#include "backend/cpu/avx2/quant_pack.h"

#if defined(HEARTH_EMULATED_AVX512)
#include HEARTH_EMULATED_AVX512
#endif

namespace hearth::cpu::avx512 {
namespace {

constexpr int kTile = 8;

__m512i broadcast_4(const void* from) {
  int32_t word;
  __builtin_memcpy(&word, from, sizeof word);
  return _mm512_set1_epi32(word);
}

// sum[c] += products of 4 * n_groups elements at `element` with column c.
template <int n_columns, int n_groups, bool is_signed>
void accumulate(const uint8_t* quants, const QuantizedColumn* x, size_t element,
                __m512i (&sum)[n_columns]) {
  for (int g = 0; g < n_groups; g++) {
    __m512i w = _mm512_loadu_si512(quants + 64 * g);
    if (is_signed) w = _mm512_xor_si512(w, _mm512_set1_epi8(static_cast<char>(0x80)));
    for (int c = 0; c < n_columns; c++) {
      sum[c] = _mm512_dpbusd_epi32(sum[c], w, broadcast_4(x[c].q + element + 4 * g));
    }
  }
}

template <class Format, int n_columns>
void gemm_tile_32(const PackedStrip& strip, size_t k, const QuantizedColumn* x, float* y,
                  size_t y_stride) {
  constexpr int kOffset = Format::kOffset + (Format::kIsSigned ? 128 : 0);
  __m512 acc[n_columns];
  for (__m512& a : acc) a = _mm512_setzero_ps();
  for (size_t b = 0; b < k / 32; b++) {
    __m512i sum[n_columns];
    for (__m512i& s : sum) s = _mm512_setzero_si512();
    accumulate<n_columns, 8, Format::kIsSigned>(strip.quants + 512 * b, x, 32 * b, sum);
    const __m512 d = _mm512_loadu_ps(strip.d + 16 * b);
    for (int c = 0; c < n_columns; c++) {
      if constexpr (kOffset != 0) {
        sum[c] = _mm512_sub_epi32(sum[c], _mm512_set1_epi32(kOffset * x[c].sum_32[b]));
      }
      const __m512 scale = _mm512_mul_ps(d, _mm512_set1_ps(x[c].scale[b]));
      acc[c] = _mm512_add_ps(acc[c], _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c]), scale));
      if constexpr (Format::kHasMin) {
        const __m512 m = _mm512_loadu_ps(strip.m + 16 * b);
        acc[c] = _mm512_add_ps(acc[c], _mm512_mul_ps(m, _mm512_set1_ps(x[c].scaled_sum[b])));
      }
    }
  }
  for (int c = 0; c < n_columns; c++) _mm512_storeu_ps(y + c * y_stride, acc[c]);
}

template <class Format, int n_columns>
void gemm_tile_256(const PackedStrip& strip, size_t k, const QuantizedColumn* x, float* y,
                   size_t y_stride) {
  constexpr size_t kScales = 256 / Format::kPerScale;
  __m512 acc[n_columns];
  for (__m512& a : acc) a = _mm512_setzero_ps();
  for (size_t b = 0; b < k / 256; b++) {
    __m512i sum[n_columns], min_sum[n_columns];
    for (__m512i& s : sum) s = _mm512_setzero_si512();
    for (__m512i& s : min_sum) s = _mm512_setzero_si512();
    for (size_t j = 0; j < kScales; j++) {
      const size_t first = 256 * b + Format::kPerScale * j;
      __m512i part[n_columns];
      for (__m512i& p : part) p = _mm512_setzero_si512();
      accumulate<n_columns, Format::kPerScale / 4, false>(strip.quants + 16 * first, x, first,
                                                          part);
      // The scale is stored twice, as pairs of int16; one of them, sign-extended.
      const __m512i pairs = _mm512_loadu_si512(strip.scales + (b * kScales + j) * 32);
      const __m512i scale = _mm512_srai_epi32(pairs, 16);
      for (int c = 0; c < n_columns; c++) {
        sum[c] = _mm512_add_epi32(sum[c], _mm512_mullo_epi32(part[c], scale));
      }
    }
    for (size_t j = 0; j < kScales / 2; j++) {
      const __m512i mins = _mm512_loadu_si512(strip.mins + (b * kScales / 2 + j) * 32);
      for (int c = 0; c < n_columns; c++) {
        const int16_t* sums_of_x = Format::kPerScale == 32 ? x[c].sum_32 : x[c].sum_16;
        const __m512i pair = broadcast_4(sums_of_x + b * kScales + 2 * j);
        min_sum[c] = _mm512_dpwssd_epi32(min_sum[c], mins, pair);
      }
    }
    const __m512 d = _mm512_loadu_ps(strip.d + 16 * b);
    for (int c = 0; c < n_columns; c++) {
      const __m512 x_scale = _mm512_set1_ps(x[c].scale[b]);
      if constexpr (!Format::kHasMin) sum[c] = _mm512_sub_epi32(sum[c], min_sum[c]);
      const __m512 scale = _mm512_mul_ps(d, x_scale);
      acc[c] = _mm512_add_ps(acc[c], _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c]), scale));
      if constexpr (Format::kHasMin) {
        const __m512 dmin = _mm512_mul_ps(_mm512_loadu_ps(strip.m + 16 * b), x_scale);
        acc[c] = _mm512_sub_ps(acc[c], _mm512_mul_ps(_mm512_cvtepi32_ps(min_sum[c]), dmin));
      }
    }
  }
  for (int c = 0; c < n_columns; c++) _mm512_storeu_ps(y + c * y_stride, acc[c]);
}

template <class Format>
void gemm_32(const PackedStrip& strip, size_t k, const QuantizedColumn* x, size_t n_columns,
             float* y, size_t y_stride) {
  size_t c = 0;
  for (; c + kTile <= n_columns; c += kTile) {
    gemm_tile_32<Format, kTile>(strip, k, x + c, y + c * y_stride, y_stride);
  }
  for (; c < n_columns; c++) gemm_tile_32<Format, 1>(strip, k, x + c, y + c * y_stride, y_stride);
}

template <class Format>
void gemm_256(const PackedStrip& strip, size_t k, const QuantizedColumn* x, size_t n_columns,
              float* y, size_t y_stride) {
  size_t c = 0;
  for (; c + kTile <= n_columns; c += kTile) {
    gemm_tile_256<Format, kTile>(strip, k, x + c, y + c * y_stride, y_stride);
  }
  for (; c < n_columns; c++) gemm_tile_256<Format, 1>(strip, k, x + c, y + c * y_stride, y_stride);
}

template <class Format>
constexpr QuantKernels kOf32 = {ActivationBlock::of_32, dot_32<Format>, pack_32<Format>,
                                gemm_32<Format>};
template <class Format>
constexpr QuantKernels kOf256 = {ActivationBlock::of_256, dot_256<Format>, pack_256<Format>,
                                 gemm_256<Format>};

}  // namespace

const QuantKernels* quantized(gguf::Type type) {
  switch (type) {
    case gguf::Type::q4_0: return &kOf32<Q4_0>;
    case gguf::Type::q4_1: return &kOf32<Q4_1>;
    case gguf::Type::q5_0: return &kOf32<Q5_0>;
    case gguf::Type::q5_1: return &kOf32<Q5_1>;
    case gguf::Type::q8_0: return &kOf32<Q8_0>;
    case gguf::Type::q4_k: return &kOf256<Q4_K>;
    case gguf::Type::q5_k: return &kOf256<Q5_K>;
    case gguf::Type::q6_k: return &kOf256<Q6_K>;
    default: return nullptr;
  }
}

}  // namespace hearth::cpu::avx512
