// Qwen3-30B-A3B, Qwen3-Coder-30B-A3B and their larger kin: qwen3 with experts in every layer, the
// weights of the chosen ones summing to one.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_qwen3moe(Metadata& m) {
  const ModelPlan plan = model_of(m);
  Attention attention = attention_of(m, plan, RopeKind::neox);
  attention.qk_norm = Attention::QkNorm::per_head;
  Moe moe = moe_of(m);
  moe.router.normalizes = m.flag_or("expert_weights_norm", true);
  return uniform(plan, {.mixer = attention, .ffn = moe});
}

}  // namespace hearth
