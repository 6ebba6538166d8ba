// OLMo 2 and OLMo 3: norms after the blocks only, and one on all of q and all of k. OLMo 3 marks
// the layers that see a window; only the others stretch their rope.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_olmo2(Metadata& m) {
  ModelPlan plan = model_of(m);
  Attention full = attention_of(m, plan, RopeKind::neox);
  full.qk_norm = Attention::QkNorm::whole;
  const bool has_windows = m.has("attention.sliding_window");
  const Attention window = has_windows ? sliding(m, full, full.rope.base) : full;
  const Dense dense = dense_of(m);
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    const bool slides = has_windows && m.is_marked("attention.sliding_window_pattern", i, 4);
    plan.layers[i] = {.norms = {.before_mixer = "",
                                .after_mixer = "post_attention_norm",
                                .before_ffn = "",
                                .after_ffn = "post_ffw_norm"},
                      .mixer = slides ? window : full,
                      .ffn = dense};
  }
  return plan;
}

}  // namespace hearth
