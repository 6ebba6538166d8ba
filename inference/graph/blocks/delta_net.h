// The gated delta net of Qwen3-Next and Qwen3.5: linear attention with a state instead of a cache,
// as plan.h describes it.
#pragma once

#include <cstdint>
#include <string>

#include "graph/loader.h"
#include "graph/pass.h"
#include "models/plan.h"

namespace hearth {

class DeltaNetBlock {
 public:
  static DeltaNetBlock load(Loader& loader, const ModelPlan& model, const DeltaNet& plan,
                            const std::string& prefix);

  // h = ssm_out(silu(z) * norm(delta_rule(silu(conv(qkv h))))), and the state is in the cache.
  void run(Pass& pass) const;

  static uint64_t floats_per_row(const ModelPlan& model, const DeltaNet& plan);
  static KvLayer kv_layer(const DeltaNet& plan);

 private:
  DeltaNet plan_{};
  float norm_eps_ = 0;
  Linear qkv_{}, z_{}, beta_{}, alpha_{}, out_{};
  Floats conv_{}, decay_{}, alpha_bias_{}, norm_{};
};

}  // namespace hearth
