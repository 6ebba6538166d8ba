// Qwen1.5-MoE and Qwen2-57B-A14B: qwen2 with experts, their weights as the softmax gave them, and a
// shared expert behind a gate.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_qwen2moe(Metadata& m) {
  const ModelPlan plan = model_of(m);
  Moe moe = moe_of(m);
  moe.is_shared_gated = true;
  return uniform(plan, {.mixer = attention_of(m, plan, RopeKind::neox), .ffn = moe});
}

}  // namespace hearth
