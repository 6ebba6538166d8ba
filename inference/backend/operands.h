// The vocabulary of operations, shared by plans (which ask for them), the graph (which orders them)
// and backends (which compute them).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cache/page.h"

namespace hearth {

// rms: x / sqrt(mean(x^2) + eps) * w; layer: (x - mean) / sqrt(variance + eps) * w + b.
enum class NormKind : uint8_t { rms, layer };

// Which pairs of a head turn: (2i, 2i+1) or (i, i + n_rot/2).
enum class RopeKind : uint8_t { none, norm, neox };

// What happens between a feed-forward's two products, of gate g and up u:
//   silu: silu(g) * u        gelu: gelu(g) * u, by the tanh formula; gelu_erf: the true one
//   gpt_oss: c * sigmoid(1.702 c) * (clamp(u, -7, 7) + 1) with c = min(g, 7)
// Without a gate, `up` takes its place and there is no second factor.
enum class Activation : uint8_t { silu, gelu, gelu_erf, gpt_oss };

struct AttentionShape {
  uint32_t n_heads = 0, n_kv_heads = 0;
  uint32_t k_dim = 0, v_dim = 0;  // of one head
  float scale = 1;
  uint32_t window = 0;  // 0: full; else position p1 sees p0 iff p1 - p0 < window
  float softcap = 0;    // score = cap * tanh(score / cap); 0: off
  // One logit a query head that joins the softmax and has no value; null: none.
  const float* sinks = nullptr;
  KvElement element = KvElement::i16;
};

// One token's query: its absolute position and the pages of its sequence for this layer.
struct AttentionRow {
  uint32_t position;
  std::span<std::byte* const> pages;  // pages[p / kPageTokens] holds position p
};

// Consecutive rows of one sequence, with the recurrent state before the first and after the last.
// A later segment may go on where an earlier one ended.
struct StateSegment {
  size_t first = 0, end = 0;      // rows
  const float* before = nullptr;  // null: all zeros
  float* after = nullptr;
};

// A depthwise convolution over the rows of a sequence: y[t][c] = sum over j < kernel of
// w[j][c] * x[t - kernel + 1 + j][c], then silu if asked. Its state is the kernel - 1 rows of x
// before, oldest first.
struct Convolution {
  uint32_t channels = 0, kernel = 0;
  bool has_silu = false;
  const float* weight = nullptr;  // (kernel, channels)
  uint64_t state_floats() const { return uint64_t{channels} * (kernel - 1); }
};

// The gated delta rule (Yang et al., "Gated Delta Networks", 2024). For every value head with its
// matrix S (dim, dim), row i for dimension i of the key:
//   g = exp(decay * softplus(alpha + alpha_bias)), b = sigmoid(beta)
//   S = g S;  S += k (b (v - S^T k))^T;  out = S^T q / sqrt(dim)
// with q and k divided by sqrt(|.|^2 + 1e-6). Value head h reads key head h / (n_v_heads /
// n_k_heads), or h mod n_k_heads if `is_tiled`. Its state is all S, head by head.
struct DeltaRule {
  uint32_t n_k_heads = 0, n_v_heads = 0, dim = 0;
  bool is_tiled = false;
  const float* decay = nullptr;       // (n_v_heads), not positive
  const float* alpha_bias = nullptr;  // (n_v_heads)
  uint64_t state_floats() const { return uint64_t{n_v_heads} * dim * dim; }
};

// x > 0: a x^2 + beta x; else: b (exp(min(x, eps)) - 1 - x) + beta x (Huang et al., "xIELU", 2024).
struct Xielu {
  float a = 0, b = 0, beta = 0, eps = 0;
  bool operator==(const Xielu&) const = default;
};

// How a router's logits choose experts.
//   probabilities: softmax or sigmoid over all; chosen_softmax: softmax over the chosen logits
//   choice: the n_used largest of probability + bias, the first on ties, among the n_groups_used
//     groups of consecutive experts whose two best sum to most (or whose best is most)
//   weights: the probabilities (without bias) of the chosen, divided by their sum if `normalizes`,
//     times scale
enum class Gating : uint8_t { softmax, sigmoid, chosen_softmax };

struct Router {
  Gating gating = Gating::softmax;
  uint32_t n_experts = 0, n_used = 0;
  uint32_t n_groups = 1, n_groups_used = 1;
  bool groups_by_best = false;
  bool normalizes = false;
  float scale = 1;
};

}  // namespace hearth
