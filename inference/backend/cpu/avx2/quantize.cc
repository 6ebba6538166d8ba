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

// 32 elements to bytes, together or four of them every `apart` bytes, and their sums over 16.
void round_32(const float* x, float inverse, size_t run, size_t apart, uint8_t* q,
              int32_t* sum_16) {
  const __m256 factor = _mm256_set1_ps(inverse);
  __m256i v[4];
  for (int i = 0; i < 4; i++) {
    v[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), factor));
  }
  for (int i = 0; i < 2; i++) {
    const __m256i sums = _mm256_add_epi32(v[2 * i], v[2 * i + 1]);
    sum_16[i] =
        sum_of(_mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1)));
  }
  // Packing works within halves of 128 bits: fours 0 2 4 6 end up in the low half, 1 3 5 7 in the
  // high one.
  const __m256i bytes =
      _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
  const __m256i in_order =
      _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  if (run >= 32) return _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), in_order);
  int32_t fours[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(fours), in_order);
  for (size_t g = 0; g < 8; g++) __builtin_memcpy(q + apart * g, fours + g, 4);
}

// n elements, a multiple of 32, to the panel; sums over 16. Returns the scale.
float quantize_block(const float* x, size_t n, const PanelColumn& to, uint8_t* q, int32_t* sum_16) {
  const uint32_t bits = magnitude_bits(x, n);
  const float amax = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits))));
  const bool is_usable = bits < kInfinityBits && amax > kSmallest;
  const float inverse = is_usable ? 127.0f / amax : 0.0f;
  constexpr float kZeros[32] = {};
  for (size_t i = 0; i < n; i += 32) {
    uint8_t* at = q + (i / to.run * to.n_columns + to.column) * to.run + i % to.run;
    round_32(is_usable ? x + i : kZeros, inverse, to.run, to.n_columns * to.run, at,
             sum_16 + i / 16);
  }
  return amax / 127.0f;
}

template <class T>
void put(uint8_t* to, T value) {
  __builtin_memcpy(to, &value, sizeof value);
}

}  // namespace

void quantize_32(const float* x, size_t k, PanelColumn to) {
  const auto [start, n_columns, column, run] = to;
  uint8_t* panel = start;
  for (size_t b = 0; b < k / 32; b++, x += 32, panel += n_columns * kPanel32.bytes) {
    int32_t sums[2];
    const float scale = quantize_block(x, 32, to, panel, sums);
    const int32_t sum = sums[0] + sums[1];
    put(panel + n_columns * kPanel32.scale + 4 * column, scale);
    put(panel + n_columns * kPanel32.scaled_sum + 4 * column, scale * static_cast<float>(sum));
    put(panel + n_columns * kPanel32.offset_128 + 4 * column, -128 * sum);
  }
}

void quantize_256(const float* x, size_t k, PanelColumn to) {
  const auto [start, n_columns, column, run] = to;
  uint8_t* panel = start;
  for (size_t b = 0; b < k / 256; b++, x += 256, panel += n_columns * kPanel256.bytes) {
    int32_t sums[16];
    const float scale = quantize_block(x, 256, to, panel, sums);
    put(panel + n_columns * kPanel256.scale + 4 * column, scale);
    uint8_t* sum_32 = panel + n_columns * kPanel256.sum_32 + 4 * column;
    uint8_t* sum_16 = panel + n_columns * kPanel256.sum_16 + 4 * column;
    for (size_t i = 0; i < 16; i++)
      put(sum_16 + 4 * n_columns * (i / 2) + i % 2 * 2, static_cast<int16_t>(sums[i]));
    for (size_t i = 0; i < 8; i++)
      put(sum_32 + 4 * n_columns * (i / 2) + i % 2 * 2,
          static_cast<int16_t>(sums[2 * i] + sums[2 * i + 1]));
  }
}

}  // namespace hearth::cpu::avx2
