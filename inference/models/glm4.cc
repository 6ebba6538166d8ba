// GLM-4-32B-0414 and Z1: norms before and after each block, rope on half of each head, gate and up
// in one matrix.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_glm4(Metadata& m) {
  const ModelPlan plan = model_of(m);
  Dense dense = dense_of(m);
  dense.gate = Dense::Gate::first_half_of_up;
  return uniform(plan,
                 {.norms = {.after_mixer = "post_attention_norm", .after_ffn = "post_ffw_norm"},
                  .mixer = attention_of(m, plan, RopeKind::norm),
                  .ffn = dense});
}

}  // namespace hearth
