// A model as data: what the one forward pass (graph/forward.cc) does, layer by layer, with all
// sizes and the names of the tensors that carry the weights. A family turns a file's metadata into
// a plan.
//
// Adding a family is one file NAME.cc in this folder and one line in table.cc. A family that does
// something new adds a field, or a block: an alternative of Mixer or FeedForward here and its
// load and run in graph/blocks/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "backend/operands.h"
#include "gguf/reader.h"
#include "support/result.h"

namespace hearth {

// Rotary position embedding; the arithmetic is in graph/rope.h.
struct Rope {
  RopeKind kind = RopeKind::none;
  uint32_t n_rot = 0;  // rotated dimensions of a head, the first ones
  float base = 10000.f;
  enum class Scaling : uint8_t { none, linear, yarn } scaling = Scaling::none;
  float factor = 1.f;  // how far linear and yarn stretch
  uint32_t original_context = 0;
  float beta_fast = 32.f, beta_slow = 1.f;  // ends of yarn's ramp, in turns over that context
  bool rounds_ramp = true;                  // the ramp ends at whole pairs
  float magnitude = 1.f;                    // of cos and sin
  std::string_view factors{};  // tensor with a divisor for each frequency; where the file has it
  bool operator==(const Rope&) const = default;
};

// x -> attn_output(attention(q, k, v)), from the tensors attn_q, attn_k, attn_v (or attn_qkv, their
// rows one after the other); biases are used where the file has them.
struct Attention {
  uint32_t n_heads = 0, n_kv_heads = 0;
  uint32_t k_dim = 0, v_dim = 0;  // of one head
  float scale = 0;
  float softcap = 0;    // 0: off
  uint32_t window = 0;  // 0: full
  Rope rope{};
  // RMS norm of q and k, before rope unless it says after: on each head, or on all as one vector.
  enum class QkNorm : uint8_t { none, per_head, per_head_after_rope, whole };
  QkNorm qk_norm = QkNorm::none;
  bool is_fused = false;   // attn_qkv
  bool has_sinks = false;  // attn_sinks
  // q is multiplied by 1 + temperature * ln(1 + floor(position / rope.original_context)).
  float temperature = 0;
};

// x -> ffn_down(activation(ffn_gate x, ffn_up x)); biases are used where the file has them.
struct Dense {
  uint32_t width = 0;
  Activation activation = Activation::silu;
  enum class Gate : uint8_t { none, separate, first_half_of_up } gate = Gate::separate;
  std::string_view suffix{};  // of the tensors' names ("_shexp")
};

// x -> sum over the chosen experts, plus what all tokens share, from ffn_gate_inp, ffn_gate_exps,
// ffn_up_exps, ffn_down_exps.
struct Moe {
  Router router{};
  uint32_t width = 0;  // of one expert
  Activation activation = Activation::silu;
  bool has_choice_bias = false;  // exp_probs_b
  uint32_t shared_width = 0;     // ffn_*_shexp; 0: nothing is shared
  bool is_shared_gated = false;  // times sigmoid(ffn_gate_inp_shexp x)
};

using Mixer = std::variant<Attention>;
using FeedForward = std::variant<Dense, Moe>;

// x += post(mixer(pre(x))); x += post(ffn(pre(x))). A norm without a name is left out.
struct Norms {
  NormKind kind = NormKind::rms;
  std::string_view before_mixer = "attn_norm", after_mixer{};
  std::string_view before_ffn = "ffn_norm", after_ffn{};
};

struct LayerPlan {
  Norms norms{};
  Mixer mixer{};
  FeedForward ffn{};
};

struct ModelPlan {
  std::string architecture;
  uint32_t n_context_train = 0;
  uint32_t width = 0;    // of the residual stream
  uint32_t n_vocab = 0;  // rows of token_embd: the tokenizer's, or padded past it
  float norm_eps = 1e-5f;
  float embedding_scale = 1;
  float residual_scale = 1;  // of what a block adds
  NormKind output_norm = NormKind::rms;
  float logit_scale = 1;
  float logit_softcap = 0;  // 0: off
  std::vector<LayerPlan> layers;
};

// The plan of a file, checked: nothing is zero that divides, nothing is so large that a product of
// two sizes wraps. Errors name the file, the key, what was expected and what is there; an unknown
// architecture is unsupported, with the known ones.
Result<ModelPlan> plan_of(const gguf::File& file);

}  // namespace hearth
