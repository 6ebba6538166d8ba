// Gemma 3: as Gemma 2 without caps, with a norm on each q and k head; of every six layers five see
// a window, with a rope of their own. The 27B divides scores by its width per head, which no key
// says.
#include <cmath>

#include "models/parts.h"

namespace hearth {

ModelPlan plan_gemma3(Metadata& m) {
  constexpr size_t kLayersOf27B = 62;
  ModelPlan plan = model_of(m);
  plan.embedding_scale = std::sqrt(static_cast<float>(plan.width));
  plan.logit_softcap = m.number_or("final_logit_softcapping", 0);
  Attention full = attention_of(m, plan, RopeKind::neox);
  full.qk_norm = Attention::QkNorm::per_head;
  if (plan.layers.size() == kLayersOf27B)
    full.scale = 1 / std::sqrt(static_cast<float>(plan.width) / static_cast<float>(full.n_heads));
  const Attention window = sliding(m, full, 10000);
  Dense dense = dense_of(m);
  dense.activation = Activation::gelu;
  for (size_t i = 0; i < plan.layers.size(); ++i)
    plan.layers[i] = {
        .norms = {.after_mixer = "post_attention_norm", .after_ffn = "post_ffw_norm"},
        .mixer = m.is_marked("attention.sliding_window_pattern", i, 6) ? window : full,
        .ffn = dense};
  return plan;
}

}  // namespace hearth
