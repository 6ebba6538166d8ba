// The gated short convolution of LFM2, as plan.h describes it.
#pragma once

#include <cstdint>
#include <string>

#include "graph/loader.h"
#include "graph/pass.h"
#include "models/plan.h"

namespace hearth {

class ShortConvBlock {
 public:
  static ShortConvBlock load(Loader& loader, const ModelPlan& model, const ShortConv& plan,
                             const std::string& prefix);

  // h = out_proj(c * conv(b * x)) with b, c, x = in_proj h, and the state is in the cache.
  void run(Pass& pass) const;

  static uint64_t floats_per_row(const ModelPlan& model, const ShortConv& plan);
  static KvLayer kv_layer(const ModelPlan& model, const ShortConv& plan);

 private:
  Convolution convolution_{};  // weight points into weight_
  Linear b_{}, c_{}, x_{}, out_{};
  Floats weight_{};
};

}  // namespace hearth
