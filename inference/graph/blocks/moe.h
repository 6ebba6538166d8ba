// The mixture of experts, as plan.h describes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "graph/blocks/dense.h"
#include "graph/loader.h"
#include "graph/pass.h"
#include "models/plan.h"

namespace hearth {

class MoeBlock {
 public:
  static MoeBlock load(Loader& loader, const ModelPlan& model, const Moe& plan,
                       const std::string& prefix);

  // h = sum over the experts chosen for h, plus the shared expert.
  void run(Pass& pass) const;

  static uint64_t floats_per_row(const ModelPlan& model, const Moe& plan);

 private:
  Moe plan_{};
  Linear router_{};
  Floats choice_bias_{};
  Backend::Experts experts_{};
  std::optional<DenseBlock> shared_{};
  Linear shared_gate_{};
};

}  // namespace hearth
