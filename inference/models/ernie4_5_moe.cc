// ERNIE 4.5 with experts: some dense layers first, then experts in every n-th layer, chosen by
// softmax and bias, their weights summing to one, beside shared ones. The shared ones together are
// as wide as so many experts; the key that should say so says something else.
#include <fmt/format.h>

#include <algorithm>

#include "models/parts.h"

namespace hearth {

ModelPlan plan_ernie4_5_moe(Metadata& m) {
  ModelPlan plan = model_of(m);
  const Attention attention = attention_of(m, plan, RopeKind::norm);
  const Dense dense = dense_of(m);
  Moe moe = moe_of(m);
  moe.router.normalizes = m.flag_or("expert_weights_norm", true);
  const uint64_t n_shared = m.count_or("expert_shared_count", 0, Metadata::kMaxExperts);
  moe.shared_width =
      static_cast<uint32_t>(std::min<uint64_t>(n_shared * moe.width, Metadata::kMaxFeedForward));
  const size_t n_dense = m.count_or("leading_dense_block_count", 0, plan.layers.size());
  const size_t step = m.size_or("interleave_moe_layer_step", 1, Metadata::kMaxLayers);
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    plan.layers[i] = {.mixer = attention, .ffn = dense};
    if (i < n_dense || (i + 1) % step != 0) continue;
    moe.has_choice_bias = m.has_tensor(fmt::format("blk.{}.exp_probs_b.bias", i));
    plan.layers[i].ffn = moe;
  }
  return plan;
}

}  // namespace hearth
