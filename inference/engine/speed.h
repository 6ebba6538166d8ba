// How fast a model has been lately: moving averages over recent forward passes, and a price for
// each part of one.
#pragma once

#include <cstdint>

#include "engine/fit.h"
#include "inference/forecast.h"

namespace hearth::engine {

class Speed {
 public:
  // A step that did this in `seconds`.
  void add(const StepWork& work, double seconds);

  uint64_t n_steps() const { return n_steps_; }
  uint64_t n_prefill_tokens() const { return n_prefill_; }
  uint64_t n_decode_tokens() const { return n_decode_; }
  double prefill_tokens_per_s() const { return prefill_per_s_; }  // 0 while unknown
  double decode_tokens_per_s() const { return decode_per_s_; }
  double decode_step_s() const { return decode_step_s_; }  // of a step that only decodes
  StepModel steps() const;

 private:
  uint64_t n_steps_ = 0, n_prefill_ = 0, n_decode_ = 0;
  double prefill_per_s_ = 0, decode_per_s_ = 0, decode_step_s_ = 0;
  Fit<StepModel::kTerms> steps_;
};

}  // namespace hearth::engine
