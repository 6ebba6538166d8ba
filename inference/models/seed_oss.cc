// Seed-OSS: qwen2 under other names.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_seed_oss(Metadata& m) {
  const ModelPlan plan = model_of(m);
  return uniform(plan, {.norms = {.before_ffn = "post_attention_norm"},
                        .mixer = attention_of(m, plan, RopeKind::neox),
                        .ffn = dense_of(m)});
}

}  // namespace hearth
