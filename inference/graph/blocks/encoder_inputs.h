// What encoders add to the embedding of a token: its position's and its segment's, then a norm.
#pragma once

#include <cstdint>
#include <span>

#include "graph/loader.h"
#include "graph/model.h"
#include "models/plan.h"

namespace hearth {

class EncoderInputs {
 public:
  static EncoderInputs load(Loader& loader, const ModelPlan& model);

  // x = norm(x + positions + the first segment); room: as large as x.
  void run(Backend& backend, std::span<const BatchRow> rows, float* x, float* room) const;

 private:
  uint32_t width_ = 0;
  float norm_eps_ = 0;
  Weight positions_{}, segments_{};
  Floats norm_{}, norm_bias_{};
};

}  // namespace hearth
