// Gemma 4: as Gemma 3 with scores that are not scaled, a norm on v heads, and larger heads where
// all positions are seen, whose rope turns a part of them (by divisors, rope_freqs) and whose v may
// be k. The E models have an embedding for each layer, and their last layers read the keys and
// values of the last one before them that sees as much; the 26B has experts beside its dense
// feed-forward.
#include <fmt/format.h>

#include <cmath>

#include "models/parts.h"

namespace hearth {
namespace {

Attention attention_at(Metadata& m, const ModelPlan& plan, size_t layer, bool is_sliding) {
  Attention attention = attention_of(m, plan, RopeKind::neox);
  attention.scale = 1;
  attention.qk_norm = Attention::QkNorm::per_head;
  attention.normalizes_v = true;
  attention.has_v = m.has_tensor(fmt::format("blk.{}.attn_v.weight", layer));
  if (is_sliding) {
    const auto size = [&](const char* key, uint32_t fallback) {
      return m.size_or(key, fallback, Metadata::kMaxHeadDim);
    };
    attention = sliding(m, attention, 10000);
    attention.k_dim = size("attention.key_length_swa", attention.k_dim);
    attention.v_dim = size("attention.value_length_swa", attention.v_dim);
    attention.rope.n_rot = size("rope.dimension_count_swa", attention.k_dim);
    if (attention.rope.n_rot % 2 != 0 || attention.rope.n_rot > attention.k_dim)
      m.fail(Errc::corrupt, "rope.dimension_count_swa",
             fmt::format("is {}, expected an even number up to the head size {}",
                         attention.rope.n_rot, attention.k_dim));
  }
  if (!attention.has_v && attention.v_dim != attention.k_dim)
    m.fail(Errc::corrupt, "attention.value_length",
           fmt::format("is {}, expected the key length {} where layer {} has no attn_v",
                       attention.v_dim, attention.k_dim, layer));
  return attention;
}

FeedForward feed_forward_at(Metadata& m, size_t layer) {
  Dense dense = dense_of(m);
  dense.activation = Activation::gelu;
  if (!m.has_tensor(fmt::format("blk.{}.ffn_gate_inp.weight", layer))) return dense;
  Moe moe = moe_of(m);
  moe.activation = Activation::gelu;
  moe.router.normalizes = true;
  return DenseBesideMoe{
      .dense = dense,
      .moe = moe,
      .has_joined_gate = m.has_tensor(fmt::format("blk.{}.ffn_gate_up_exps.weight", layer))};
}

// The layer whose keys and values `attention` reads, which must be as it expects them.
uint32_t shared_keys(Metadata& m, const ModelPlan& plan, uint32_t layer,
                     const Attention& attention) {
  const auto& own = std::get<Attention>(plan.layers[layer].mixer);
  if (own.n_kv_heads != attention.n_kv_heads || own.k_dim != attention.k_dim ||
      own.v_dim != attention.v_dim)
    m.fail(Errc::corrupt, "attention.head_count_kv",
           fmt::format("is {} in a layer that reads the keys of layer {}, expected its {}",
                       attention.n_kv_heads, layer, own.n_kv_heads));
  return layer;
}

}  // namespace

ModelPlan plan_gemma4(Metadata& m) {
  ModelPlan plan = model_of(m);
  plan.embedding_scale = std::sqrt(static_cast<float>(plan.width));
  plan.logit_softcap = m.number_or("final_logit_softcapping", 0);
  plan.per_layer_width = m.count_or("embedding_length_per_layer_input", 0, Metadata::kMaxHeadDim);
  const size_t n_layers = plan.layers.size();
  const size_t n_own = n_layers - m.count_or("attention.shared_kv_layers", 0, n_layers - 1);
  std::optional<uint32_t> last_own[2];  // of those that see everything, of those with a window
  for (size_t i = 0; i < n_layers; ++i) {
    m.at_layer(i);
    const bool is_sliding = m.is_marked("attention.sliding_window_pattern", i, 6);
    Attention attention = attention_at(m, plan, i, is_sliding);
    if (i < n_own)
      last_own[is_sliding] = static_cast<uint32_t>(i);
    else if (last_own[is_sliding])
      attention.kv_of = shared_keys(m, plan, *last_own[is_sliding], attention);
    plan.layers[i] = {.norms = {.after_mixer = "post_attention_norm", .after_ffn = "post_ffw_norm"},
                      .mixer = attention,
                      .ffn = feed_forward_at(m, i),
                      .has_output_scale = true};
  }
  return plan;
}

}  // namespace hearth
