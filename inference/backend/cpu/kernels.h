// The seam between the operations (matmul.cc, attention.cc, ...) and their inner loops, of which
// each Path has one set. kernels.cc holds the table of all of them.
//
// The avx2/, avx512/ and amx/ files are compiled for CPUs that this one may not be. They therefore
// call no inline function of the standard library or of ours outside their folder: the linker could
// keep that copy for everyone. For the same reason this header holds plain structs and pointers.
//
// Quantized products are defined exactly, so that every path gives the same bits. With w = d q + m
// in each block, in order of K,
//   y = fma(float(isum) * d_x, d, y)   and, where the format has a minimum m,
//   y = fma(m, scaled_sum_x, y)
// where isum is the block's exact integer dot product (with the offset of its elements; in blocks
// of 256 with the scales of its parts, whose minima are an integer sum of their own). Float
// products and softmax are the same on avx2 and avx512, and differ from scalar in the last bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cpu/int_kernels.h"
#include "backend/cpu/ops.h"
#include "backend/cpu/panel.h"
#include "gguf/types.h"

namespace hearth::cpu {

// Kernels of one quantized weight format.
struct QuantKernels {
  ActivationBlock block;
  // y[c * y_stride + r] = dot(row r of the strip, column c of the panel) for all rows and the
  // n_columns <= kPanelColumns of the panel.
  void (*multiply)(const uint8_t* strip, size_t k, const uint8_t* panel, size_t n_columns, float* y,
                   size_t y_stride);
};

// The same for up to kMostTileColumns columns in tile panels, and of the strip only n_rows rows.
using MultiplyTiles = void (*)(const uint8_t* strip, size_t n_rows, size_t k, const uint8_t* panels,
                               size_t n_columns, float* y, size_t y_stride);

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

// scores[q * kPageTokens + p] = dot(query q, key p) of the positions p in [first, end) of a page,
// and of no meaning beside them. Keys are transposed: element d of position p is the
// (d * kPageTokens + p)-th.
using Score = void (*)(const uint8_t* keys, size_t first, size_t end, size_t k_dim,
                       const float* queries, size_t n_queries, float* scores);

// sums[q][d] = sums[q][d] * correction[q] + sum over j < n of p[q * kPageTokens + j] * v[j][d]
using WeightedSum = void (*)(const float* p, size_t n_queries, const float* correction,
                             const uint8_t* v, size_t n, size_t head_dim, float* sums);

struct Kernels {
  size_t strip_rows;  // of the strips (strips.h) that it multiplies; 1: rows as in the file

  // Fills a column of a panel with k elements (panel.h).
  void (*quantize_32)(const float* x, size_t k, PanelColumn to);
  void (*quantize_256)(const float* x, size_t k, PanelColumn to);

  const QuantKernels* (*quantized)(gguf::Type type);  // null: not a quantized format with kernels
  MultiplyTiles (*tiles)(gguf::Type type);            // null: has none
  FloatDot dot_f32, dot_f16, dot_bf16;

  // The activations of operands.h; up may be null.
  void (*silu_mul)(const float* gate, const float* up, size_t n, float* act);
  void (*gelu_mul)(const float* gate, const float* up, size_t n, float* act);
  void (*gpt_oss_mul)(const float* gate, const float* up, size_t n, float* act);

  // Turns n scores into weights exp(s - max) with s = cap(score * scale) and the new maximum, and
  // updates the state. Returns what earlier sums must be multiplied by. softcap 0: off.
  float (*softmax_tile)(float* scores, size_t n, float scale, float softcap, SoftmaxState& state);
  Score score;
  WeightedSum weighted_sum;

  PairProducts pair_products;
  SoftmaxInts softmax_ints;
  AddPage add_page;
  BytesToInts keys_to_ints, values_to_ints;

  // The products' instructions alone, in registers: how many multiply-adds n_rounds made.
  uint64_t (*int8_chain)(uint64_t n_rounds);
  uint64_t (*f32_chain)(uint64_t n_rounds);
};

const Kernels& kernels_of(Path path);

}  // namespace hearth::cpu
