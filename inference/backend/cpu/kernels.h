// The seam between the operations (matmul.cc, attention.cc, ...) and their inner loops, of which
// each Path has one set. kernels.cc holds the table of all of them.
//
// The avx2/ and avx512/ files are compiled for CPUs that this one may not be. They therefore call
// no inline function of the standard library or of ours outside their folder: the linker could keep
// that copy for everyone. For the same reason this header holds plain structs and pointers.
//
// Quantized products are defined exactly, so that every path gives the same bits:
//   y = sum over blocks, in order of K, of  float(isum) * (d_w * d_x)  [+ min term],
// where isum is the block's exact integer dot product, and every float operation rounds once (no
// fused multiply-add). Float products and softmax are the same on avx2 and avx512, and differ from
// scalar in the last bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cpu/ops.h"
#include "gguf/types.h"

namespace hearth::cpu {

// How activations are quantized to int8: per 32 elements for the formats with blocks of 32, per 256
// for k-quants.
enum class ActivationBlock : uint16_t { none = 0, of_32 = 32, of_256 = 256 };

// One token's activations as int8: x = scale * q, |q| <= 127, scale per block.
// A block with an infinite or NaN element has that as its scale and all q zero: products become
// NaN.
struct QuantizedColumn {
  int8_t* q;          // k
  float* scale;       // one per block
  float* scaled_sum;  // scale * sum of q, one per block
  int16_t* sum_32;    // sums of q over 32 elements, k / 32
  int16_t* sum_16;    // over 16, k / 16
};

// Weights of `rows` rows unpacked to bytes and interleaved, so that one vector holds four
// consecutive K of every row and a dot product needs no sum across lanes.
struct PackedStrip {
  size_t rows;      // 8 or 16: a vector has four bytes for each
  uint8_t* quants;  // [k / 4][rows][4]
  int16_t* scales;  // k-quants: [k / elements per scale][rows][2], both the same
  int16_t* mins;    // k-quants: [pairs of scales][rows][2]
  float* d;         // [blocks][rows]
  float* m;         // [blocks][rows]: min of a block, or its scale of mins
};

// Kernels of one quantized weight format. Rows are row_bytes apart in the file's layout.
struct QuantKernels {
  ActivationBlock block;
  // y[r] = dot(row r, x), r < n_rows <= 8.
  void (*dot)(const uint8_t* rows, size_t row_bytes, size_t n_rows, size_t k,
              const QuantizedColumn& x, float* y);
  // Fills the strip from n_rows <= strip.rows rows; the lanes beyond repeat the last row.
  // Null, as is gemm, on a path that has only dot.
  void (*pack)(const uint8_t* rows, size_t row_bytes, size_t n_rows, size_t k,
               const PackedStrip& strip);
  // y[c * y_stride + r] = dot(strip row r, x[c]) for every row of the strip.
  void (*gemm)(const PackedStrip& strip, size_t k, const QuantizedColumn* x, size_t n_columns,
               float* y, size_t y_stride);
};

// y[c * y_stride + r] = dot(w row r, x row c) in float32; w as bytes of f32, f16 or bf16, its rows
// w_stride bytes apart, x rows x_stride floats apart. Any k.
using FloatDot = void (*)(const uint8_t* w, size_t w_stride, size_t n_rows, size_t k,
                          const float* x, size_t x_stride, size_t n_columns, float* y,
                          size_t y_stride);

// The running softmax of one query over tiles of keys.
struct SoftmaxState {
  float max;
  float sum;
};

struct Kernels {
  size_t strip_rows;  // rows of a PackedStrip; 0 if no format has pack and gemm

  void (*quantize_32)(const float* x, size_t k, const QuantizedColumn& out);
  void (*quantize_256)(const float* x, size_t k, const QuantizedColumn& out);

  const QuantKernels* (*quantized)(gguf::Type type);  // null: not a quantized format with kernels
  FloatDot dot_f32, dot_f16, dot_bf16;

  // The activations of operands.h; up may be null.
  void (*silu_mul)(const float* gate, const float* up, size_t n, float* act);
  void (*gelu_mul)(const float* gate, const float* up, size_t n, float* act);
  void (*gpt_oss_mul)(const float* gate, const float* up, size_t n, float* act);

  // Turns n scores into weights exp(s - max) with s = cap(score * scale) and the new maximum, and
  // updates the state. Returns what earlier sums must be multiplied by. softcap 0: off.
  float (*softmax_tile)(float* scores, size_t n, float scale, float softcap, SoftmaxState& state);
  // acc[q][d] = acc[q][d] * correction[q] + sum over j < n of p[q * p_stride + j] * v[j][d]
  void (*weighted_sum)(const float* p, size_t p_stride, size_t n_queries, const float* correction,
                       const float* v, size_t n, size_t head_dim, float* acc);

  void (*f16_to_f32)(const uint8_t* in, size_t n, float* out);
  void (*f32_to_f16)(const float* in, size_t n, uint8_t* out);

  // The products' instructions alone, in registers: how many multiply-adds n_rounds made.
  uint64_t (*int8_chain)(uint64_t n_rounds);
  uint64_t (*f32_chain)(uint64_t n_rounds);
};

const Kernels& kernels_of(Path path);

}  // namespace hearth::cpu
