// Block formats to float and back, one row at a time, in plain scalar code: the definition that
// every fast kernel is compared with. Free functions, any thread. Sizes are trusted (the reader
// checked them), bits are not: any block gives floats, perhaps not finite ones, and never anything
// worse.
#pragma once

#include <cstddef>

#include "gguf/types.h"

namespace hearth::gguf {

// Row of n elements (a multiple of the block size) of any computable type.
void dequantize_row(Type type, const std::byte* row, size_t n, float* out);

// The types that quantize_row can write.
bool can_quantize(Type type);

// The inverse, with row_bytes(type, n) bytes of output. The formats with blocks of 32 round as
// the common tools do, bit for bit; the k-quants search the scales that give the least squared
// error. Deterministic. NaN has no place in a block format: it becomes some number of the block's
// range.
void quantize_row(Type type, const float* values, size_t n, std::byte* row);

}  // namespace hearth::gguf
