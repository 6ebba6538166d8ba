// Granite 3 and 4 dense: llama with scales on the embedding, on scores, on what blocks add and on
// the logits (a divisor).
#include "models/parts.h"

namespace hearth {

ModelPlan plan_granite(Metadata& m) {
  ModelPlan plan = model_of(m);
  plan.embedding_scale = m.positive_or("embedding_scale", 1);
  plan.residual_scale = m.positive_or("residual_scale", 1);
  plan.logit_scale = 1 / m.positive_or("logit_scale", 1);
  return uniform(plan, {.mixer = attention_of(m, plan, RopeKind::norm), .ffn = dense_of(m)});
}

}  // namespace hearth
