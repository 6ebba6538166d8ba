// A model as data: what the one forward pass (graph/forward.cc) does, layer by layer, with all
// sizes and the names of the tensors that carry the weights. A family turns a file's metadata into
// a plan.
//
// Adding a family is one file NAME.cc in this folder and one line in table.cc. A family that does
// something new adds a field, or a block: an alternative of Mixer or FeedForward here and its
// load and run in graph/blocks/.
#pragma once

#include <cstdint>
#include <optional>
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
  bool is_causal = true;      // else every position sees the whole sequence, given at once
  bool is_fused = false;      // attn_qkv
  bool has_v = true;          // attn_v; else v is k before its norm
  bool normalizes_v = false;  // RMS norm of each v head, without weights
  bool is_gated = false;      // attn_q has for each head q and a gate: sigmoid(gate) * its context
  bool has_sinks = false;     // attn_sinks
  // Has no k and v of its own but reads those of this earlier layer.
  std::optional<uint32_t> kv_of{};
  // q is multiplied by 1 + temperature * ln(1 + floor(position / rope.original_context)).
  float temperature = 0;
};

// The gated delta net (operands.h, DeltaRule): x -> ssm_out(silu(z) * norm(rule(conv(q, k, v)))).
struct DeltaNet {
  uint32_t n_k_heads = 0, n_v_heads = 0, dim = 0;
  uint32_t kernel = 0;            // of the convolution
  bool is_tiled = false;          // which key head a value head reads
  bool is_joined = false;         // ssm_in instead of attn_qkv and attn_gate
  bool has_joined_gates = false;  // ssm_ba instead of ssm_beta and ssm_alpha
};

// x -> out_proj(c * conv(b * x')) with b, c, x' = in_proj x.
struct ShortConv {
  uint32_t kernel = 0;
};

// Latent attention: queries and keys have a part without rope and a rotated one, which all heads'
// keys share; keys and values come from a latent vector (blocks/mla.cc).
struct Mla {
  uint32_t n_heads = 0;
  uint32_t q_rank = 0;  // of attn_q_a, attn_q_b; 0: attn_q
  uint32_t latent_dim = 0, nope_dim = 0, v_dim = 0;
  float scale = 0;
  Rope rope{};
  float norm_eps = 1e-6f;    // of the norms within, whatever that of the others is
  bool is_absorbed = false;  // attn_k_b and attn_v_b, not attn_kv_b
};

// x -> ffn_down(activation(ffn_gate x, ffn_up x)); biases are used where the file has them.
struct Dense {
  uint32_t width = 0;
  Activation activation = Activation::silu;
  enum class Gate : uint8_t { none, separate, first_half_of_up } gate = Gate::separate;
  std::string_view suffix{};     // of the tensors' names ("_shexp")
  std::optional<Xielu> xielu{};  // in place of the activation
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

// x -> post_ffw_norm_1(dense(x)) + post_ffw_norm_2(experts(pre_ffw_norm_2(r))) where r is the
// residual stream; the router reads ffn_gate_inp.scale * r / |r|.
struct DenseBesideMoe {
  Dense dense{};
  Moe moe{};
  bool has_joined_gate = false;  // ffn_gate_up_exps
};

using Mixer = std::variant<Attention, Mla, DeltaNet, ShortConv>;
using FeedForward = std::variant<Dense, Moe, DenseBesideMoe>;

// x += post(mixer(pre(x))); x += post(ffn(pre(x))), and then x = sum(x) where there is such a norm.
// A norm without a name is left out.
struct Norms {
  NormKind kind = NormKind::rms;
  std::string_view before_mixer = "attn_norm", after_mixer{};
  std::string_view before_ffn = "ffn_norm", after_ffn{};
  std::string_view sum_of_mixer{}, sum_of_ffn{};
};

struct LayerPlan {
  Norms norms{};
  Mixer mixer{};
  FeedForward ffn{};
  bool has_output_scale = false;  // x *= layer_output_scale, at the end
};

// How the rows of a text become its embedding.
enum class Pooling : uint8_t { none, mean, first, last };

struct ModelPlan {
  std::string architecture;
  uint32_t n_context_train = 0;
  uint32_t width = 0;    // of the residual stream
  uint32_t n_vocab = 0;  // rows of token_embd: the tokenizer's, or padded past it
  float norm_eps = 1e-5f;
  float embedding_scale = 1;
  uint32_t per_layer_width = 0;  // of an embedding for each layer (blocks/per_layer.h); 0: none
  float residual_scale = 1;      // of what a block adds
  // Of encoders: rows of position_embd, added to the embedding with a row of token_types, then a
  // norm. 0: none of it.
  uint32_t n_positions = 0;
  uint32_t n_segments = 0;  // rows of token_types
  Pooling pooling = Pooling::none;
  bool has_output = true;  // else there are embeddings of texts only, no logits
  NormKind output_norm = NormKind::rms;
  std::string_view output_norm_name = "output_norm";  // "": none
  float logit_scale = 1;
  float logit_softcap = 0;  // 0: off
  std::vector<LayerPlan> layers;
};

// The plan of a file, checked: nothing is zero that divides, nothing is so large that a product of
// two sizes wraps. Errors name the file, the key, what was expected and what is there; an unknown
// architecture is unsupported, with the known ones.
Result<ModelPlan> plan_of(const gguf::File& file);

}  // namespace hearth
