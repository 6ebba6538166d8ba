// Seeded random activations and weights, and how results are compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/cpu/ops.h"

namespace hearth::cpu {

// Normally distributed, standard deviation `scale`.
std::vector<float> random_floats(size_t n, uint32_t seed, float scale = 1);

// A weight matrix with its memory.
struct Weights {
  gguf::Type type;
  size_t cols, rows;
  std::vector<std::byte> bytes;

  Matrix matrix() const { return {.type = type, .cols = cols, .rows = rows, .data = bytes.data()}; }
};

// The same as strips of a path; as in the file for types that it multiplies in float32.
struct Packed {
  Packed(const Weights& w, Path path);
  std::vector<std::byte> bytes;
  Matrix matrix;
};

// Random values of a trained matrix's size, quantized.
Weights random_weights(gguf::Type type, size_t cols, size_t rows, uint32_t seed);

// Rows of which every byte is random: what a hostile file may hold.
Weights random_bytes(gguf::Type type, size_t cols, size_t rows, uint32_t seed);

// Rows of which every byte of the quants is `fill`, with scales of one.
Weights filled_weights(gguf::Type type, size_t cols, size_t rows, uint8_t fill);

// y = W x in double precision: (n_tokens, rows).
std::vector<double> reference_product(const Weights& w, const std::vector<float>& x,
                                      size_t n_tokens);

// Sum of squared differences over sum of squares.
double normalised_error(const std::vector<float>& actual, const std::vector<double>& expected);

// Equal bits, or both NaN.
bool are_same(const float* a, const float* b, size_t n);

}  // namespace hearth::cpu
