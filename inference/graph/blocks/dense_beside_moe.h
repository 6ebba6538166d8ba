// A dense feed-forward and experts side by side, as plan.h describes it.
#pragma once

#include <cstdint>
#include <string>

#include "graph/blocks/dense.h"
#include "graph/loader.h"
#include "graph/pass.h"
#include "models/plan.h"

namespace hearth {

class DenseBesideMoeBlock {
 public:
  static DenseBesideMoeBlock load(Loader& loader, const ModelPlan& model,
                                  const DenseBesideMoe& plan, const std::string& prefix);

  // h = norm(dense(h)) + norm(experts(norm(x)))
  void run(Pass& pass) const;

  static uint64_t floats_per_row(const ModelPlan& model, const DenseBesideMoe& plan);

 private:
  DenseBesideMoe plan_{};
  float norm_eps_ = 0;
  DenseBlock dense_{};
  Linear router_{};
  Backend::Experts experts_{};
  Floats router_norm_{}, before_experts_{}, after_dense_{}, after_experts_{};
};

}  // namespace hearth
