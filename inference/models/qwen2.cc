// Qwen2, Qwen2.5 and their Coder and R1-Distill variants. Differs from llama: biases on q, k and v
// (used wherever the file has them), and rope rotates the two halves of a head.
#include "graph/hparams.h"
#include "models/plan.h"

namespace hearth {

Result<ModelPlan> plan_qwen2(const HParams& hparams, const gguf::File&) {
  const LayerPlan layer{.mixer = {.rope = cpu::RopeKind::neox}, .ffn = {}};
  return ModelPlan{.layers = std::vector(hparams.n_layers, layer)};
}

}  // namespace hearth
