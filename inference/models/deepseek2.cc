// DeepSeek V2, V3, V3.1 and R1, Kimi K2, GLM-4.7-Flash and others stored as deepseek2: latent
// attention, some dense layers first, then experts beside shared ones. The score function is stored
// since V3; without it, it is sigmoid where the choice has a bias.
//
// Under yarn the scores grow with mscale^2. The converter stores a tenth of mscale_all_dim.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/parts.h"

namespace hearth {
namespace {

float yarn_score_factor(Metadata& m, const Rope& rope) {
  if (rope.scaling != Rope::Scaling::yarn || rope.factor <= 1) return 1;
  const float all_dims = 10 * m.number_or("rope.scaling.yarn_log_multiplier", 0);
  const float mscale = 1 + 0.1f * all_dims * std::log(rope.factor);
  return mscale * mscale;
}

Mla mla_of(Metadata& m, const ModelPlan& plan) {
  Mla mla;
  mla.n_heads = m.size("attention.head_count", Metadata::kMaxHeads);
  mla.q_rank = m.has_tensor("blk.0.attn_q_a.weight")
                   ? m.size("attention.q_lora_rank", Metadata::kMaxWidth)
                   : 0;
  mla.latent_dim = m.size("attention.kv_lora_rank", Metadata::kMaxHeadDim);
  mla.is_absorbed = !m.has_tensor("blk.0.attn_kv_b.weight");
  // Files with the projections as one matrix give the sizes of the heads without a suffix.
  const auto size_of = [&](const char* key, const char* old_key) {
    return m.size(m.has(key) ? key : old_key, Metadata::kMaxHeadDim);
  };
  const uint32_t k_dim = size_of("attention.key_length_mla", "attention.key_length");
  mla.v_dim = size_of("attention.value_length_mla", "attention.value_length");
  mla.rope = rope_of(m, plan, RopeKind::norm, k_dim);
  if (mla.rope.n_rot >= k_dim)
    m.fail(Errc::corrupt, "rope.dimension_count",
           fmt::format("is {}, expected less than the head size {}", mla.rope.n_rot, k_dim));
  mla.nope_dim = k_dim - std::min(mla.rope.n_rot, k_dim);
  // cos and sin keep their size: the factor is in the scores.
  if (m.has("rope.scaling.yarn_log_multiplier")) mla.rope.magnitude = 1;
  if (m.number_or("attention.temperature_scale", 0) != 0)
    m.fail(
        Errc::unsupported, "attention.temperature_scale",
        "is not 0, and queries of latent attention that grow with the position are not supported");
  mla.scale = yarn_score_factor(m, mla.rope) / std::sqrt(static_cast<float>(k_dim));
  return mla;
}

}  // namespace

ModelPlan plan_deepseek2(Metadata& m) {
  ModelPlan plan = model_of(m);
  const Mla mla = mla_of(m, plan);
  const Dense dense = dense_of(m);
  const size_t n_dense = m.count_or("leading_dense_block_count", 0, plan.layers.size());
  const bool has_bias = m.has_tensor(fmt::format("blk.{}.exp_probs_b.bias", n_dense));
  Moe moe = moe_of(m, has_bias ? Gating::sigmoid : Gating::softmax);
  moe.has_choice_bias = has_bias;
  moe.router.groups_by_best = moe.router.gating == Gating::softmax;  // V2; V3: by its two best
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    plan.layers[i] = {.mixer = mla, .ffn = moe};
    if (i < n_dense) plan.layers[i].ffn = dense;
  }
  return plan;
}

}  // namespace hearth
