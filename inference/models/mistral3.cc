// Ministral 3, Devstral 2 and Devstral Small 2: llama with yarn, and queries that grow with the
// position.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_mistral3(Metadata& m) {
  const ModelPlan plan = model_of(m);
  Attention attention = attention_of(m, plan, RopeKind::norm);
  attention.temperature = m.number_or("attention.temperature_scale", 0);
  return uniform(plan, {.mixer = attention, .ffn = dense_of(m)});
}

}  // namespace hearth
