// The dense feed-forward, as plan.h describes it.
#pragma once

#include <cstdint>
#include <string>

#include "graph/loader.h"
#include "graph/pass.h"
#include "models/plan.h"

namespace hearth {

class DenseBlock {
 public:
  static DenseBlock load(Loader& loader, const ModelPlan& model, const Dense& plan,
                         const std::string& prefix);

  // h = ffn_down(activation(ffn_gate h, ffn_up h))
  void run(Pass& pass) const { run(pass, pass.h, pass.h); }
  void run(Pass& pass, const float* in, float* out) const;

  static uint64_t floats_per_row(const ModelPlan& model, const Dense& plan);

 private:
  Dense plan_{};
  Linear gate_{}, up_{}, down_{};
};

}  // namespace hearth
