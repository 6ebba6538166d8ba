// Qwen2, Qwen2.5 and their Coder and R1-Distill variants. Differs from llama: biases on q, k and v
// (used wherever the file has them), and rope rotates the two halves of a head.
#include "models/parts.h"

namespace hearth {

ModelPlan plan_qwen2(Metadata& m) {
  const ModelPlan plan = model_of(m);
  return uniform(plan, {.mixer = attention_of(m, plan, RopeKind::neox), .ffn = dense_of(m)});
}

}  // namespace hearth
