// StarCoder2: layer norms, biases everywhere (used wherever the file has them), a feed-forward
// without gate. The window of its config is as long as its context.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_starcoder2(Metadata& m) {
  ModelPlan plan = model_of(m);
  plan.output_norm = NormKind::layer;
  Dense dense = dense_of(m);
  dense.activation = Activation::gelu;
  dense.gate = Dense::Gate::none;
  return uniform(plan, {.norms = {.kind = NormKind::layer},
                        .mixer = attention_of(m, plan, RopeKind::neox),
                        .ffn = dense});
}

}  // namespace hearth
