#include "backend/cpu/avx2/avx2.h"
#include "backend/cpu/avx2/vector.h"

namespace hearth::cpu::avx2 {
namespace {

constexpr float kSmallest = 1e-30f;  // as in scalar/quantize.cc
constexpr uint32_t kInfinityBits = 0x7f800000;

// Bits of the largest magnitude: as integers NaN > infinity > any number.
uint32_t magnitude_bits(const float* x, size_t n) {
  const __m256i no_sign = _mm256_set1_epi32(0x7fffffff);
  __m256i largest = _mm256_setzero_si256();
  for (size_t i = 0; i < n; i += kLanes) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    largest = _mm256_max_epi32(largest, _mm256_and_si256(bits, no_sign));
  }
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(m));
}

// 32 elements to bytes, and their sums over 16.
void round_32(const float* x, float inverse, int8_t* q, int16_t* sum_16) {
  const __m256 factor = _mm256_set1_ps(inverse);
  __m256i v[4];
  for (int i = 0; i < 4; i++) {
    v[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), factor));
  }
  for (int i = 0; i < 2; i++) {
    const __m256i sums = _mm256_add_epi32(v[2 * i], v[2 * i + 1]);
    sum_16[i] = static_cast<int16_t>(
        sum_of(_mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1))));
  }
  // Packing works within halves of 128 bits; the permutation restores the order.
  const __m256i words =
      _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
  const __m256i ordered =
      _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), ordered);
}

void quantize(const float* x, size_t k, size_t block, const QuantizedColumn& out) {
  for (size_t b = 0; b < k / block; b++) {
    const uint32_t bits = magnitude_bits(x + b * block, block);
    const float amax = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits))));
    const bool is_usable = bits < kInfinityBits && amax > kSmallest;
    const float inverse = is_usable ? 127.0f / amax : 0.0f;
    int32_t total = 0;
    for (size_t i = b * block; i < (b + 1) * block; i += 32) {
      if (is_usable) {
        round_32(x + i, inverse, out.q + i, out.sum_16 + i / 16);
      } else {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.q + i), _mm256_setzero_si256());
        out.sum_16[i / 16] = out.sum_16[i / 16 + 1] = 0;
      }
      out.sum_32[i / 32] = static_cast<int16_t>(out.sum_16[i / 16] + out.sum_16[i / 16 + 1]);
      total += out.sum_32[i / 32];
    }
    out.scale[b] = amax / 127.0f;
    out.scaled_sum[b] = out.scale[b] * static_cast<float>(total);
  }
}

}  // namespace

void quantize_32(const float* x, size_t k, const QuantizedColumn& out) { quantize(x, k, 32, out); }

void quantize_256(const float* x, size_t k, const QuantizedColumn& out) {
  quantize(x, k, 256, out);
}

}  // namespace hearth::cpu::avx2
