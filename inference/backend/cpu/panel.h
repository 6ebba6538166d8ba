// A panel: the activations of some tokens as int8, interleaved, so that a product goes through one
// stream of memory and shares each load of the weights among the panel's columns. Those for vectors
// have up to kPanelColumns columns and take four consecutive elements of each in turn; those for
// tiles have kTileColumns, of which the last may be zero, and take runs of 32 or 64.
//
// x = scale * q, |q| <= 127, one scale per block of 32 or of 256 elements. With n columns and runs
// of r elements, a block of 32 is
//   q           [32 / r][n][r] int8
//   scale       [n]         float
//   scaled_sum  [n]         float: scale * sum of q
//   offset_128  [n]         int32: -128 * sum of q
// and a block of 256
//   q           [256 / r][n][r]
//   scale       [n]         float
//   sum_32      [4][n][2]   int16: sums of q over 32 elements
//   sum_16      [8][n][2]   int16: over 16
// A block with an infinite or NaN element has that as its scale and all q zero: products become
// NaN.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth::cpu {

// How activations are quantized: per 32 elements for the formats with blocks of 32, per 256 for
// k-quants.
enum class ActivationBlock : uint16_t { of_32 = 32, of_256 = 256 };

inline constexpr size_t kPanelColumns = 6, kPanelRun = 4;

// Tiles take all of a block of 32, a quarter of a block of 256.
inline constexpr size_t kTileColumns = 16, kTileRun32 = 32, kTileRun256 = 64;
// Of one product by tiles.
inline constexpr size_t kMostTileColumns = 256;

// Where a column of a panel goes.
struct PanelColumn {
  uint8_t* panel;
  size_t n_columns, column;
  size_t run;
};

// Where the parts of a block begin and how long it is, in bytes, each times n.
inline constexpr struct {
  size_t scale = 32, scaled_sum = 36, offset_128 = 40, bytes = 44;
} kPanel32;
inline constexpr struct {
  size_t scale = 256, sum_32 = 260, sum_16 = 276, bytes = 308;
} kPanel256;

}  // namespace hearth::cpu
