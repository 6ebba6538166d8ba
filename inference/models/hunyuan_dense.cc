// Hunyuan dense: qwen3 with the norm on q and k heads after rope.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_hunyuan_dense(Metadata& m) {
  const ModelPlan plan = model_of(m);
  Attention attention = attention_of(m, plan, RopeKind::neox);
  attention.qk_norm = Attention::QkNorm::per_head_after_rope;
  return uniform(plan, {.mixer = attention, .ffn = dense_of(m)});
}

}  // namespace hearth
