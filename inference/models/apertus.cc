// Apertus: llama with rotated halves, a norm on each q and k head, and a feed-forward without gate
// whose activation has parameters of its own in each layer.
#include <cmath>

#include "models/parts.h"

namespace hearth {
namespace {

float softplus(float x) { return x > 20 ? x : std::log1p(std::exp(x)); }

}  // namespace

ModelPlan plan_apertus(Metadata& m) {
  ModelPlan plan = model_of(m);
  Attention attention = attention_of(m, plan, RopeKind::neox);
  attention.qk_norm = Attention::QkNorm::per_head;
  Dense dense = dense_of(m);
  dense.gate = Dense::Gate::none;
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    const float beta = m.layer_number("xielu.beta", i);
    dense.xielu = Xielu{.a = softplus(m.layer_number("xielu.alpha_p", i)),
                        .b = beta + softplus(m.layer_number("xielu.alpha_n", i)),
                        .beta = beta,
                        .eps = m.layer_number("xielu.eps", i)};
    plan.layers[i] = {.mixer = attention, .ffn = dense};
  }
  return plan;
}

}  // namespace hearth
