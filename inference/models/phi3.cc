// Phi-3, Phi-3.5, Phi-4 and Phi-4-mini: q, k and v in one matrix, gate and up in another. Long
// contexts divide the rope's frequencies by one of two sets of factors ("longrope"). Which one is
// fixed by what the model was trained for, since keys of both kinds do not mix. The sliding window
// of the config was never used in training.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_phi3(Metadata& m) {
  const ModelPlan plan = model_of(m);
  Attention attention = attention_of(m, plan, RopeKind::neox);
  attention.is_fused = true;
  if (m.has_tensor("rope_factors_long.weight")) {
    const bool is_long = plan.n_context_train > attention.rope.original_context;
    attention.rope.factors = is_long ? "rope_factors_long.weight" : "rope_factors_short.weight";
    attention.rope.magnitude = m.positive_or("rope.scaling.attn_factor", 1);
  }
  Dense dense = dense_of(m);
  dense.gate = Dense::Gate::first_half_of_up;
  return uniform(plan, {.mixer = attention, .ffn = dense});
}

}  // namespace hearth
