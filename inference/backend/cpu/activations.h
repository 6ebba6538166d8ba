// A batch of activations quantized to int8, one column per token.
#pragma once

#include <cstddef>
#include <vector>

#include "backend/cpu/kernels.h"
#include "backend/cpu/scratch.h"

namespace hearth::cpu {

// Filled by the engine thread, read by all workers. Keeps its memory from call to call.
class Activations {
 public:
  // Quantizes n_tokens rows of k floats: one piece of work for the pool per few tokens.
  void quantize(const Machine& machine, ActivationBlock block, const float* x, size_t k,
                size_t n_tokens);

  const QuantizedColumn* columns() const { return columns_.data(); }

 private:
  Scratch quants_, scales_, sums_;
  std::vector<QuantizedColumn> columns_;
};

}  // namespace hearth::cpu
