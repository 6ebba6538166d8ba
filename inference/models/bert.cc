// BERT and the embedding models built on it: every position sees the whole text, positions are
// learned, norms come after the sums, and there are no logits.
#include <algorithm>

#include "models/parts.h"

namespace hearth {

ModelPlan plan_bert(Metadata& m) {
  ModelPlan plan = model_of(m);
  plan.n_positions = plan.n_context_train;
  if (const gguf::Tensor* segments = m.file().find_tensor("token_types.weight"))
    plan.n_segments =
        static_cast<uint32_t>(std::clamp<uint64_t>(segments->dims[1], 1, Metadata::kMaxVocabulary));
  plan.output_norm_name = "";
  plan.has_output = false;
  if (plan.pooling == Pooling::none) plan.pooling = Pooling::mean;
  Attention attention = attention_of(m, plan, RopeKind::none);
  attention.n_kv_heads = attention.n_heads;  // whatever the file says: BERT shares none
  attention.is_causal = m.flag_or("attention.causal", false);
  Dense dense = dense_of(m);
  dense.activation = Activation::gelu_erf;
  dense.gate = Dense::Gate::none;
  return uniform(plan, {.norms = {.kind = NormKind::layer,
                                  .before_mixer = "",
                                  .before_ffn = "",
                                  .sum_of_mixer = "attn_output_norm",
                                  .sum_of_ffn = "layer_output_norm"},
                        .mixer = attention,
                        .ffn = dense});
}

}  // namespace hearth
