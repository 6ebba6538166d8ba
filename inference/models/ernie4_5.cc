// ERNIE 4.5 dense: llama under another name.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_ernie4_5(Metadata& m) {
  const ModelPlan plan = model_of(m);
  return uniform(plan, {.mixer = attention_of(m, plan, RopeKind::norm), .ffn = dense_of(m)});
}

}  // namespace hearth
