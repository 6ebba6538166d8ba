// LFM2: gated short convolutions, and attention in the layers that have key heads. The norm before
// the output is stored as that of the embedding.
#include <fmt/format.h>

#include "models/parts.h"

namespace hearth {

ModelPlan plan_lfm2(Metadata& m) {
  ModelPlan plan = model_of(m);
  plan.output_norm_name = "token_embd_norm";
  constexpr uint32_t kMaxKernel = 64;
  const ShortConv conv{.kernel = m.size("shortconv.l_cache", kMaxKernel)};
  if (conv.kernel < 2) m.fail(Errc::corrupt, "shortconv.l_cache", "is 1, expected at least 2");
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    m.at_layer(i);
    plan.layers[i] = {.mixer = conv, .ffn = dense_of(m)};
    if (m.has_tensor(fmt::format("blk.{}.shortconv.conv.weight", i))) continue;
    Attention attention = attention_of(m, plan, RopeKind::neox);
    attention.qk_norm = Attention::QkNorm::per_head;
    plan.layers[i].mixer = attention;
  }
  return plan;
}

}  // namespace hearth
