// Gemma 2: scaled embeddings, norms before and after each block, GELU, capped scores and logits; of
// every two layers the first sees a window. The 27B divides scores by its width per head, which no
// key says. (The converter has added Gemma's one to the norms' weights.)
#include <cmath>

#include "models/parts.h"

namespace hearth {

ModelPlan plan_gemma2(Metadata& m) {
  constexpr size_t kLayersOf27B = 46;
  ModelPlan plan = model_of(m);
  plan.embedding_scale = std::sqrt(static_cast<float>(plan.width));
  plan.logit_softcap = m.number_or("final_logit_softcapping", 30);
  Attention full = attention_of(m, plan, RopeKind::neox);
  full.softcap = m.number_or("attn_logit_softcapping", 50);
  if (plan.layers.size() == kLayersOf27B)
    full.scale = 1 / std::sqrt(static_cast<float>(plan.width) / static_cast<float>(full.n_heads));
  const Attention window = sliding(m, full, full.rope.base);
  Dense dense = dense_of(m);
  dense.activation = Activation::gelu;
  for (size_t i = 0; i < plan.layers.size(); ++i)
    plan.layers[i] = {
        .norms = {.after_mixer = "post_attention_norm", .after_ffn = "post_ffw_norm"},
        .mixer = m.is_marked("attention.sliding_window_pattern", i, 2) ? window : full,
        .ffn = dense};
  return plan;
}

}  // namespace hearth
