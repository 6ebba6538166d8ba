// Attention over the paged KV cache, as plan.h describes it.
#pragma once

#include <cstdint>
#include <string>

#include "graph/loader.h"
#include "graph/pass.h"
#include "models/plan.h"

namespace hearth {

class AttentionBlock {
 public:
  // `rope`: which of the pass's tables of cos and sin is this layer's.
  static AttentionBlock load(Loader& loader, const ModelPlan& model, const Attention& plan,
                             const std::string& prefix, size_t rope);

  // h = attn_output(attention(h)), and the layer's keys and values are in the cache. In the last
  // layer, drops the rows whose logits nobody wants.
  void run(Pass& pass) const;

  static uint64_t floats_per_row(const ModelPlan& model, const Attention& plan);
  static KvLayer kv_layer(const Attention& plan);

 private:
  void normalize_heads(Pass& pass, float* q, float* k) const;
  void apply_temperature(Pass& pass, float* q) const;

  Attention plan_{};
  float norm_eps_ = 0;
  size_t rope_ = 0;
  Linear q_{}, k_{}, v_{}, o_{}, gate_{};
  Floats q_norm_{}, k_norm_{}, v_norm_{}, sinks_{};
};

}  // namespace hearth
