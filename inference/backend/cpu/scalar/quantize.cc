#include <algorithm>
#include <bit>
#include <cmath>

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

void quantize(const float* x, size_t k, size_t block, const QuantizedColumn& out) {
  for (size_t b = 0; b < k / block; b++) {
    const float amax = magnitude_of(x + b * block, block);
    const bool is_usable = std::isfinite(amax) && amax > kSmallest;
    const float inverse = is_usable ? 127.0f / amax : 0.0f;
    int32_t total = 0;
    for (size_t i = b * block; i < (b + 1) * block; i += 16) {
      int32_t sum = 0;
      for (size_t j = i; j < i + 16; j++) {
        const float rounded = is_usable ? std::nearbyint(x[j] * inverse) : 0.0f;
        out.q[j] = static_cast<int8_t>(rounded);
        sum += out.q[j];
      }
      out.sum_16[i / 16] = static_cast<int16_t>(sum);
      total += sum;
    }
    out.scale[b] = amax / 127.0f;
    out.scaled_sum[b] = out.scale[b] * static_cast<float>(total);
  }
  for (size_t i = 0; i < k / 32; i++) {
    out.sum_32[i] = static_cast<int16_t>(out.sum_16[2 * i] + out.sum_16[2 * i + 1]);
  }
}

}  // namespace

void quantize_32(const float* x, size_t k, const QuantizedColumn& out) { quantize(x, k, 32, out); }

void quantize_256(const float* x, size_t k, const QuantizedColumn& out) {
  quantize(x, k, 256, out);
}

}  // namespace hearth::cpu::scalar
