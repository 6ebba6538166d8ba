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
//   silu: silu(g) * u        gelu: gelu(g) * u, by the tanh formula
//   gpt_oss: c * sigmoid(1.702 c) * (clamp(u, -7, 7) + 1) with c = min(g, 7)
// Without a gate, `up` takes its place and there is no second factor.
enum class Activation : uint8_t { silu, gelu, gpt_oss };

struct AttentionShape {
  uint32_t n_heads = 0, n_kv_heads = 0;
  uint32_t k_dim = 0, v_dim = 0;  // of one head
  float scale = 1;
  uint32_t window = 0;  // 0: full; else position p1 sees p0 iff p1 - p0 < window
  float softcap = 0;    // score = cap * tanh(score / cap); 0: off
  // One logit a query head that joins the softmax and has no value; null: none.
  const float* sinks = nullptr;
  KvElement element = KvElement::f16;
};

// One token's query: its absolute position and the pages of its sequence for this layer.
struct AttentionRow {
  uint32_t position;
  std::span<std::byte* const> pages;  // pages[p / kPageTokens] holds position p
};

// How a router's logits choose experts.
//   probabilities: softmax or sigmoid over all; chosen_softmax: softmax over the chosen logits
//   choice: the n_used largest of probability + bias, the first on ties, among the n_groups_used
//     groups of consecutive experts whose two best sum to most
//   weights: the probabilities (without bias) of the chosen, divided by their sum if `normalizes`,
//     times scale
enum class Gating : uint8_t { softmax, sigmoid, chosen_softmax };

struct Router {
  Gating gating = Gating::softmax;
  uint32_t n_experts = 0, n_used = 0;
  uint32_t n_groups = 1, n_groups_used = 1;
  bool normalizes = false;
  float scale = 1;
};

}  // namespace hearth
