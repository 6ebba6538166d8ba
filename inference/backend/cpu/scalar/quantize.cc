#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "backend/cpu/scalar/scalar.h"

namespace hearth::cpu::scalar {
namespace {

// Below this a block counts as zero: 127 / amax must not overflow.
constexpr float kSmallest = 1e-30f;

// Largest magnitude, compared as integers so that NaN > infinity > any number.
float magnitude_of(const float* x, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    largest = std::max(largest, std::bit_cast<uint32_t>(x[i]) & 0x7fffffff);
  }
  return std::bit_cast<float>(largest);
}

// One block: q of each element to q(element), the sums over 16 to sums. Returns the scale.
template <size_t n, class Q>
float quantize_block(const float* x, int32_t (&sums)[n / 16], const Q& q) {
  const float amax = magnitude_of(x, n);
  const bool is_usable = std::isfinite(amax) && amax > kSmallest;
  const float inverse = is_usable ? 127.0f / amax : 0.0f;
  for (size_t i = 0; i < n; i++) {
    if (i % 16 == 0) sums[i / 16] = 0;
    const float rounded = is_usable ? std::nearbyint(x[i] * inverse) : 0.0f;
    q(i) = static_cast<int8_t>(rounded);
    sums[i / 16] += q(i);
  }
  return amax / 127.0f;
}

template <class T>
void put(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

}  // namespace

void quantize_32(const float* x, size_t k, PanelColumn to) {
  const auto [start, n_columns, column, run] = to;
  uint8_t* panel = start;
  for (size_t b = 0; b < k / 32; b++, x += 32, panel += n_columns * kPanel32.bytes) {
    int32_t sums[2];
    const float scale = quantize_block<32>(x, sums, [&](size_t i) -> int8_t& {
      return reinterpret_cast<int8_t&>(panel[(i / run * n_columns + column) * run + i % run]);
    });
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
    const float scale = quantize_block<256>(x, sums, [&](size_t i) -> int8_t& {
      return reinterpret_cast<int8_t&>(panel[(i / run * n_columns + column) * run + i % run]);
    });
    put(panel + n_columns * kPanel256.scale + 4 * column, scale);
    uint8_t* sum_32 = panel + n_columns * kPanel256.sum_32;
    uint8_t* sum_16 = panel + n_columns * kPanel256.sum_16;
    const auto at = [&](size_t i) { return 2 * ((i / 2 * n_columns + column) * 2 + i % 2); };
    for (size_t i = 0; i < 16; i++) put(sum_16 + at(i), static_cast<int16_t>(sums[i]));
    for (size_t i = 0; i < 8; i++)
      put(sum_32 + at(i), static_cast<int16_t>(sums[2 * i] + sums[2 * i + 1]));
  }
}

}  // namespace hearth::cpu::scalar
