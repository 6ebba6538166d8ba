// Qwen3 dense. Differs from Qwen2: no bias on q, k and v, an RMS norm on each q and k head instead.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_qwen3(Metadata& m) {
  const ModelPlan plan = model_of(m);
  Attention attention = attention_of(m, plan, RopeKind::neox);
  attention.qk_norm = Attention::QkNorm::per_head;
  return uniform(plan, {.mixer = attention, .ffn = dense_of(m)});
}

}  // namespace hearth
