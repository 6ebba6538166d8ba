#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/scalar/scalar.h"
#include "gguf/half.h"

namespace hearth::cpu::scalar {
namespace {

float load_f32(const uint8_t* from) {
  float value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
float load_half(const uint8_t* from) { return gguf::load_f16(from); }
float load_brain(const uint8_t* from) { return gguf::bf16_to_f32(gguf::load_u16(from)); }

// Eight partial sums, as the vector paths have: less rounding than one chain.
template <float load(const uint8_t*), size_t element_bytes>
void dot(const uint8_t* w, size_t w_stride, size_t n_rows, size_t k, const float* x,
         size_t x_stride, size_t n_columns, float* y, size_t y_stride) {
  for (size_t c = 0; c < n_columns; c++) {
    for (size_t r = 0; r < n_rows; r++) {
      float lanes[8] = {};
      for (size_t i = 0; i < k; i++) {
        lanes[i % 8] += load(w + r * w_stride + i * element_bytes) * x[c * x_stride + i];
      }
      y[c * y_stride + r] = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
                            ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
    }
  }
}

}  // namespace

void dot_f32(const uint8_t* w, size_t w_stride, size_t n_rows, size_t k, const float* x,
             size_t x_stride, size_t n_columns, float* y, size_t y_stride) {
  dot<load_f32, 4>(w, w_stride, n_rows, k, x, x_stride, n_columns, y, y_stride);
}
void dot_f16(const uint8_t* w, size_t w_stride, size_t n_rows, size_t k, const float* x,
             size_t x_stride, size_t n_columns, float* y, size_t y_stride) {
  dot<load_half, 2>(w, w_stride, n_rows, k, x, x_stride, n_columns, y, y_stride);
}
void dot_bf16(const uint8_t* w, size_t w_stride, size_t n_rows, size_t k, const float* x,
              size_t x_stride, size_t n_columns, float* y, size_t y_stride) {
  dot<load_brain, 2>(w, w_stride, n_rows, k, x, x_stride, n_columns, y, y_stride);
}

void silu_mul(const float* gate, const float* up, size_t n, float* act) {
  for (size_t i = 0; i < n; i++) {
    const float silu = gate[i] / (1.0f + std::exp(-gate[i]));
    act[i] = up != nullptr ? silu * up[i] : silu;
  }
}

void gelu_mul(const float* gate, const float* up, size_t n, float* act) {
  constexpr float kScale = 0.79788456f;  // sqrt(2 / pi)
  for (size_t i = 0; i < n; i++) {
    const float g = gate[i];
    const float gelu = 0.5f * g * (1.0f + std::tanh(kScale * (g + 0.044715f * g * g * g)));
    act[i] = up != nullptr ? gelu * up[i] : gelu;
  }
}

// Comparisons are written so that NaN survives them.
void gpt_oss_mul(const float* gate, const float* up, size_t n, float* act) {
  constexpr float kLimit = 7.0f;
  for (size_t i = 0; i < n; i++) {
    const float g = gate[i] > kLimit ? kLimit : gate[i];
    const float swish = g / (1.0f + std::exp(-1.702f * g));
    float u = 0;
    if (up != nullptr) u = up[i] > kLimit ? kLimit : up[i] < -kLimit ? -kLimit : up[i];
    act[i] = swish * (u + 1.0f);
  }
}

float softmax_tile(float* scores, size_t n, float scale, float softcap, SoftmaxState& state) {
  float max = state.max;
  for (size_t j = 0; j < n; j++) {
    scores[j] *= scale;
    if (softcap != 0) scores[j] = softcap * std::tanh(scores[j] / softcap);
    max = std::max(max, scores[j]);
  }
  const float correction = std::exp(state.max - max);
  float sum = 0;
  for (size_t j = 0; j < n; j++) {
    scores[j] = std::exp(scores[j] - max);
    sum += scores[j];
  }
  state = {max, state.sum * correction + sum};
  return correction;
}

void score(const uint8_t* keys, size_t first, size_t end, size_t k_dim, const float* queries,
           size_t n_queries, float* scores) {
  for (size_t q = 0; q < n_queries; q++) {
    for (size_t p = first; p < end; p++) {
      float sum = 0;
      for (size_t d = 0; d < k_dim; d++)
        sum += queries[q * k_dim + d] * load_f32(keys + (d * kPageTokens + p) * sizeof(float));
      scores[q * kPageTokens + p] = sum;
    }
  }
}

void weighted_sum(const float* p, size_t n_queries, const float* correction, const uint8_t* v,
                  size_t n, size_t head_dim, float* sums) {
  for (size_t q = 0; q < n_queries; q++) {
    for (size_t d = 0; d < head_dim; d++) {
      float sum = sums[q * head_dim + d] * correction[q];
      for (size_t j = 0; j < n; j++)
        sum += p[q * kPageTokens + j] * load_f32(v + (j * head_dim + d) * sizeof(float));
      sums[q * head_dim + d] = sum;
    }
  }
}

}  // namespace hearth::cpu::scalar
