// Qwen3 dense. Differs from Qwen2: no bias on q, k and v, an RMS norm on each q and k head instead.
#include "graph/hparams.h"
#include "models/plan.h"

namespace hearth {

Result<ModelPlan> plan_qwen3(const HParams& hparams, const gguf::File&) {
  const LayerPlan layer{.mixer = {.rope = cpu::RopeKind::neox, .qk_norm_per_head = true},
                        .ffn = {}};
  return ModelPlan{.layers = std::vector(hparams.n_layers, layer)};
}

}  // namespace hearth
