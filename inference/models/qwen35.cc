// Qwen3.5, 3.6 and 3.8: as Qwen3-Next with its value heads in another order, dense or with experts.
// The position has three parts (M-RoPE), which are equal in text: rope as ever.
#include "models/parts.h"

namespace hearth {
namespace {

ModelPlan plan_with(Metadata& m, const FeedForward& ffn) {
  ModelPlan plan = model_of(m);
  Attention attention = attention_of(m, plan, RopeKind::neox);
  attention.qk_norm = Attention::QkNorm::per_head;
  attention.is_gated = true;
  DeltaNet net = delta_net_of(m, plan);
  net.is_tiled = true;
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    plan.layers[i] = {.norms = {.before_ffn = "post_attention_norm"}, .mixer = net, .ffn = ffn};
    if (!is_recurrent(m, i)) plan.layers[i].mixer = attention;
  }
  return plan;
}

}  // namespace

ModelPlan plan_qwen35(Metadata& m) { return plan_with(m, dense_of(m)); }

ModelPlan plan_qwen35moe(Metadata& m) {
  Moe moe = moe_of(m);
  moe.router.normalizes = m.flag_or("expert_weights_norm", true);
  moe.is_shared_gated = true;
  return plan_with(m, moe);
}

}  // namespace hearth
