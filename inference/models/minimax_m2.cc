// MiniMax-M2, M2.1, M2.5: a norm on all of q and all of k, rope on half of each head, experts
// chosen by sigmoid and bias, their weights summing to one.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_minimax_m2(Metadata& m) {
  const ModelPlan plan = model_of(m);
  Attention attention = attention_of(m, plan, RopeKind::neox);
  attention.qk_norm = Attention::QkNorm::whole;
  Moe moe = moe_of(m, Gating::sigmoid);
  moe.router.normalizes = m.flag_or("expert_weights_norm", true);
  moe.has_choice_bias = true;
  return uniform(plan, {.mixer = attention, .ffn = moe});
}

}  // namespace hearth
