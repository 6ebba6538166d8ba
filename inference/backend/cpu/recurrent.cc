// The recurrent operations: each head (or block of channels) walks through all rows in order, and
// different ones run side by side. What a row gives depends only on the rows of its sequence before
// it, one after the other, so that cutting a prompt in other places does not change a bit.
//
// The delta rule updates a matrix of dim x dim numbers for each row, twice through the second-level
// cache; 1.5 % of what the matrices of a model of 3 billion active weights cost. The chunked form
// (Yang et al., 2024) would do it as small matrix products, whose rounding depends on the chunks.
//
// All loops run over values of a row, which are independent: they vectorize without changing the
// order of any sum.
#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_backend.h"

namespace hearth::cpu {
namespace {

constexpr size_t kChannels = 256;  // of a convolution, done together
constexpr float kNormEps = 1e-6f;

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }
// ln(1 + exp(x)); beyond 20 the difference to x is below float32's resolution.
float softplus(float x) { return x > 20.0f ? x : std::log1p(std::exp(x)); }

// x / sqrt(|x|^2 + eps), times scale
void normalize_head(const float* x, size_t n, float scale, float* out) {
  float squares = 0;
  for (size_t i = 0; i < n; ++i) squares += x[i] * x[i];
  const float factor = scale / std::sqrt(squares + kNormEps);
  for (size_t i = 0; i < n; ++i) out[i] = x[i] * factor;
}

// One row of one head. s: (dim, dim); room: dim floats.
void delta_step(float* s, size_t dim, const float* q, const float* k, const float* v, float decay,
                float beta, float* room, float* out) {
  std::fill_n(room, dim, 0.0f);
  for (size_t i = 0; i < dim; ++i) {
    float* row = s + i * dim;
    const float key = k[i];
    for (size_t j = 0; j < dim; ++j) {
      row[j] *= decay;
      room[j] += key * row[j];
    }
  }
  for (size_t j = 0; j < dim; ++j) room[j] = beta * (v[j] - room[j]);
  std::fill_n(out, dim, 0.0f);
  for (size_t i = 0; i < dim; ++i) {
    float* row = s + i * dim;
    const float key = k[i], query = q[i];
    for (size_t j = 0; j < dim; ++j) {
      row[j] += key * room[j];
      out[j] += query * row[j];
    }
  }
}

// The state before a segment becomes the one after it, to be updated in place.
float* carried(const StateSegment& segment, size_t offset, size_t n) {
  float* after = segment.after + offset;
  if (segment.before == nullptr)
    std::fill_n(after, n, 0.0f);
  else
    std::copy_n(segment.before + offset, n, after);
  return after;
}

}  // namespace

void CpuBackend::convolve(const Convolution& convolution, std::span<const StateSegment> segments,
                          size_t offset, const float* x, float* y) {
  const size_t channels = convolution.channels, n_past = convolution.kernel - 1;
  const auto run = [&](uint32_t block) {
    const size_t first = block * kChannels, n = std::min(kChannels, channels - first);
    for (const StateSegment& segment : segments) {
      // The row at `t`, which may lie before the segment's first.
      const auto row = [&](size_t t, size_t back) -> const float* {
        if (t >= segment.first + back) return x + (t - back) * channels + first;
        const size_t missing = segment.first + back - t;  // 1: the row just before
        if (segment.before == nullptr) return nullptr;
        return segment.before + offset + (n_past - missing) * channels + first;
      };
      for (size_t t = segment.first; t < segment.end; ++t) {
        float* out = y + t * channels + first;
        std::fill_n(out, n, 0.0f);
        for (size_t j = 0; j <= n_past; ++j) {
          const float* from = row(t, n_past - j);
          if (from == nullptr) continue;
          const float* weight = convolution.weight + j * channels + first;
          for (size_t c = 0; c < n; ++c) out[c] += weight[c] * from[c];
        }
        if (convolution.has_silu)
          for (size_t c = 0; c < n; ++c) out[c] *= sigmoid(out[c]);
      }
      for (size_t j = 0; j < n_past; ++j) {  // `after` is never `before`
        const float* from = row(segment.end, n_past - j);
        float* to = segment.after + offset + j * channels + first;
        if (from == nullptr)
          std::fill_n(to, n, 0.0f);
        else
          std::copy_n(from, n, to);
      }
    }
  };
  pool_.run(static_cast<uint32_t>((channels + kChannels - 1) / kChannels), run);
}

void CpuBackend::delta_rule(const DeltaRule& rule, std::span<const StateSegment> segments,
                            size_t offset, const float* qkv, const float* alpha, const float* beta,
                            float* out) {
  const size_t dim = rule.dim, n_v = rule.n_v_heads, n_k = rule.n_k_heads;
  const size_t row_floats = (2 * n_k + n_v) * dim;
  const float q_scale = 1.0f / std::sqrt(static_cast<float>(dim));
  pool_.run(rule.n_v_heads, [&](uint32_t head) {
    const size_t key_head = rule.is_tiled ? head % n_k : head / (n_v / n_k);
    std::vector<float> room(3 * dim);
    float *q = room.data(), *k = q + dim, *rest = k + dim;
    for (const StateSegment& segment : segments) {
      float* s = carried(segment, offset + head * dim * dim, dim * dim);
      for (size_t t = segment.first; t < segment.end; ++t) {
        const float* row = qkv + t * row_floats;
        normalize_head(row + key_head * dim, dim, q_scale, q);
        normalize_head(row + (n_k + key_head) * dim, dim, 1, k);
        const float g = rule.decay[head] * softplus(alpha[t * n_v + head] + rule.alpha_bias[head]);
        delta_step(s, dim, q, k, row + (2 * n_k + head) * dim, std::exp(g),
                   sigmoid(beta[t * n_v + head]), rest, out + (t * n_v + head) * dim);
      }
    }
  });
}

}  // namespace hearth::cpu
