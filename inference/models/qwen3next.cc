// Qwen3-Next and Qwen3-Coder-Next: three layers of gated delta net to one of attention, whose
// output is gated and whose rope turns a part of each head; experts, their weights summing to one,
// beside a shared one behind a gate.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_qwen3next(Metadata& m) {
  ModelPlan plan = model_of(m);
  Attention attention = attention_of(m, plan, RopeKind::neox);
  attention.qk_norm = Attention::QkNorm::per_head;
  attention.is_gated = true;
  const DeltaNet net = delta_net_of(m, plan);
  Moe moe = moe_of(m);
  moe.router.normalizes = m.flag_or("expert_weights_norm", true);
  moe.is_shared_gated = true;
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    plan.layers[i] = {.norms = {.before_ffn = "post_attention_norm"}, .mixer = net, .ffn = moe};
    if (!is_recurrent(m, i)) plan.layers[i].mixer = attention;
  }
  return plan;
}

}  // namespace hearth
