// SmolLM3: llama in which every fourth layer has no rope.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_smollm3(Metadata& m) {
  constexpr size_t kPeriod = 4;
  ModelPlan plan = model_of(m);
  const Attention turning = attention_of(m, plan, RopeKind::norm);
  Attention still = turning;
  still.rope = {};
  const Dense dense = dense_of(m);
  for (size_t i = 0; i < plan.layers.size(); ++i)
    plan.layers[i] = {.mixer = (i + 1) % kPeriod == 0 ? still : turning, .ffn = dense};
  return plan;
}

}  // namespace hearth
