// Llama 2 and 3, Mistral, SmolLM2, Yi and the many others stored as "llama". Rotates neighbouring
// pairs (the converter permutes q and k rows for it); Llama 3.1 scaling arrives as the tensor
// rope_freqs. A sliding window in the config (Mistral 7B v0.1) is not stored and not applied.
#include <fmt/format.h>

#include "graph/hparams.h"
#include "models/plan.h"

namespace hearth {

Result<ModelPlan> plan_llama(const HParams& hparams, const gguf::File& file) {
  const Result<uint64_t> n_experts = file.uint_or("llama.expert_count", 0);
  if (!n_experts) return n_experts.error();
  if (*n_experts > 0)
    return Error{Errc::unsupported, fmt::format("{}: llama.expert_count is {}, and llama models "
                                                "with experts (Mixtral) are not supported",
                                                file.path(), *n_experts)};
  const LayerPlan layer{.mixer = {.rope = cpu::RopeKind::norm}, .ffn = {}};
  return ModelPlan{.layers = std::vector(hparams.n_layers, layer)};
}

}  // namespace hearth
