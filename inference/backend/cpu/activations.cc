#include "backend/cpu/activations.h"

#include <algorithm>

namespace hearth::cpu {

void Activations::quantize(const Machine& machine, ActivationBlock block, const float* x, size_t k,
                           size_t n_tokens) {
  const size_t n_blocks = k / static_cast<size_t>(block), n_sums = k / 32 + k / 16;
  int8_t* q = quants_.reserve<int8_t>(k * n_tokens);
  float* scales = scales_.reserve<float>(2 * n_blocks * n_tokens);
  int16_t* sums = sums_.reserve<int16_t>(n_sums * n_tokens);
  columns_.resize(n_tokens);
  for (size_t t = 0; t < n_tokens; t++) {
    columns_[t] = {.q = q + t * k,
                   .scale = scales + 2 * t * n_blocks,
                   .scaled_sum = scales + (2 * t + 1) * n_blocks,
                   .sum_32 = sums + t * n_sums,
                   .sum_16 = sums + t * n_sums + k / 32};
  }

  const Kernels& kernels = kernels_of(machine.path);
  const auto kernel = block == ActivationBlock::of_32 ? kernels.quantize_32 : kernels.quantize_256;
  constexpr size_t kTokensPerPiece = 8;
  const size_t n_pieces = (n_tokens + kTokensPerPiece - 1) / kTokensPerPiece;
  machine.pool.run(static_cast<uint32_t>(n_pieces), [&](uint32_t piece) {
    const size_t end = std::min(n_tokens, (piece + 1) * kTokensPerPiece);
    for (size_t t = piece * kTokensPerPiece; t < end; t++) kernel(x + t * k, k, columns_[t]);
  });
}

}  // namespace hearth::cpu
