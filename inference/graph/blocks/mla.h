// Multi-head latent attention (DeepSeek-V2, 2024), as plan.h describes it.
#pragma once

#include <cstdint>
#include <string>

#include "graph/loader.h"
#include "graph/pass.h"
#include "models/plan.h"

namespace hearth {

class MlaBlock {
 public:
  static MlaBlock load(Loader& loader, const ModelPlan& model, const Mla& plan,
                       const std::string& prefix, size_t rope);

  // h = attn_output(attention(h)), and what the layer caches is in the cache. In the last layer,
  // drops the rows whose logits nobody wants.
  void run(Pass& pass) const;

  static uint64_t floats_per_row(const ModelPlan& model, const Mla& plan);
  static KvLayer kv_layer(const Mla& plan);

 private:
  void project_queries(Pass& pass, float* nope, float* rotated) const;

  Mla plan_{};
  size_t rope_ = 0;
  Linear q_a_{}, q_nope_{}, q_rotated_{}, latent_{}, k_rotated_{}, o_{};
  Floats q_a_norm_{}, latent_norm_{};
  Weight k_up_stack_{}, v_up_stack_{};  // absorbed
  Linear k_up_{}, v_up_{};              // not absorbed
};

}  // namespace hearth
