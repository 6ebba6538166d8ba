// Llama 2 and 3, Mistral, Mixtral, SmolLM2, Yi and the many others stored as "llama". Rotates
// neighbouring pairs (the converter permutes q and k rows for it); Llama 3.1 scaling arrives as the
// tensor rope_freqs. A sliding window in the config (Mistral 7B v0.1) is not stored and not
// applied.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_llama(Metadata& m) {
  const ModelPlan plan = model_of(m);
  LayerPlan layer{.mixer = attention_of(m, plan, RopeKind::norm), .ffn = dense_of(m)};
  if (m.count_or("expert_count", 0, Metadata::kMaxExperts) > 0) {
    Moe moe = moe_of(m);
    moe.router.normalizes = m.flag_or("expert_weights_norm", true);
    layer.ffn = moe;
  }
  return uniform(plan, layer);
}

}  // namespace hearth
