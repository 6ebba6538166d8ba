// OLMoE: a norm on all of q and all of k, experts weighted as the softmax gave them.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_olmoe(Metadata& m) {
  const ModelPlan plan = model_of(m);
  Attention attention = attention_of(m, plan, RopeKind::neox);
  attention.qk_norm = Attention::QkNorm::whole;
  return uniform(plan, {.mixer = attention, .ffn = moe_of(m)});
}

}  // namespace hearth
