// GLM-4.5, 4.6, 4.7 and their Air variants: rope on half of each head, a norm on q and k heads in
// the larger ones, some dense layers first, then experts chosen by sigmoid and bias beside a shared
// one. The prediction block at the end is not part of the plan.
#include <fmt/format.h>

#include "models/parts.h"

namespace hearth {

ModelPlan plan_glm4moe(Metadata& m) {
  ModelPlan plan = model_of(m);
  Attention attention = attention_of(m, plan, RopeKind::neox);
  if (m.has_tensor("blk.0.attn_q_norm.weight")) attention.qk_norm = Attention::QkNorm::per_head;
  const Dense dense = dense_of(m);
  Moe moe = moe_of(m, Gating::sigmoid);
  const size_t n_dense = m.count_or("leading_dense_block_count", 0, plan.layers.size());
  moe.has_choice_bias = m.has_tensor(fmt::format("blk.{}.exp_probs_b.bias", n_dense));
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    plan.layers[i] = {
        .norms = {.before_ffn = "post_attention_norm"}, .mixer = attention, .ffn = moe};
    if (i < n_dense) plan.layers[i].ffn = dense;
  }
  return plan;
}

}  // namespace hearth
