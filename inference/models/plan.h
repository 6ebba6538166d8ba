// A model family as data: metadata -> ModelPlan, read by the one forward pass (graph/forward.cc).
// Adding a family is one file here (about 30 lines) and one line in table.cc.
//
// Only what a family does differently is said; sizes come from hparams.h. Per-layer patterns
// (windows, layers without rope, dense then MoE) become per-layer fields here, from the metadata.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "backend/cpu/ops.h"
#include "gguf/reader.h"
#include "support/result.h"

namespace hearth {

struct HParams;

struct Attention {
  cpu::RopeKind rope = cpu::RopeKind::norm;
  bool qk_norm_per_head = false;  // RMS norm on each q and k head before rope (attn_q_norm {hd})
  uint32_t window = 0;            // 0: full attention
};

struct SwiGlu {};

// x += attn(norm(x)); x += ffn(norm(x)) with RMS norms in front. Biases on q, k, v, o and the MLP
// are used where the file has the tensors.
struct LayerPlan {
  Attention mixer;
  SwiGlu ffn;
};

struct ModelPlan {
  std::vector<LayerPlan> layers;
};

using PlanFunction = Result<ModelPlan> (*)(const HParams& hparams, const gguf::File& file);

struct Family {
  std::string_view architecture;  // general.architecture
  PlanFunction plan;
};

// Null when no family of that name is known.
const Family* find_family(std::string_view architecture);
std::vector<std::string_view> known_families();

// One per file of this folder; table.cc lists them.
Result<ModelPlan> plan_llama(const HParams& hparams, const gguf::File& file);
Result<ModelPlan> plan_qwen2(const HParams& hparams, const gguf::File& file);
Result<ModelPlan> plan_qwen3(const HParams& hparams, const gguf::File& file);

}  // namespace hearth
