// gpt-oss: a sink for each head, a window in every other layer, experts weighted by the softmax
// over the chosen ones, an activation of its own. Its yarn ramp does not end at whole pairs; no key
// says so.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_gpt_oss(Metadata& m) {
  ModelPlan plan = model_of(m);
  Attention full = attention_of(m, plan, RopeKind::neox);
  full.has_sinks = true;
  full.rope.rounds_ramp = false;
  Attention window = full;
  window.window = m.size("attention.sliding_window", Metadata::kMaxContext);
  Moe moe = moe_of(m, Gating::chosen_softmax);
  moe.activation = Activation::gpt_oss;
  for (size_t i = 0; i < plan.layers.size(); ++i)
    plan.layers[i] = {
        .norms = {.before_ffn = "post_attention_norm"},
        .mixer = m.is_marked("attention.sliding_window_pattern", i, 2) ? window : full,
        .ffn = moe};
  return plan;
}

}  // namespace hearth
