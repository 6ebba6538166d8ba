// The CPU's operations: what the forward pass is composed of. One scalar reference for each, and
// AVX2 and AVX-512 paths chosen at run time (never assume one).
//
// Order of summation depends only on the position in K and on the absolute KV tile, never on the
// number of columns, chunk size, thread count or path width of the batch: a request alone equals
// the same request in a batch, bit for bit, on one machine and path.
//
// All activations are float32, row-major, one row per token. Sizes are trusted: weights.cc checked
// them at load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "backend/cpu/thread_pool.h"
#include "backend/operands.h"
#include "gguf/types.h"

namespace hearth::cpu {

enum class Path : uint8_t { scalar, avx2, avxvnni, avx512, amx };

// The widest path that this CPU and OS support; HEARTH_CPU_PATH=scalar|avx2|avxvnni|avx512|amx
// lowers it.
Path best_path();
bool is_usable(Path path);
std::string_view name_of(Path path);

// A weight matrix: `rows` rows of `cols` elements; y = W x is a dot per row.
struct Matrix {
  gguf::Type type = gguf::Type::f32;
  uint64_t cols = 0;  // K
  uint64_t rows = 0;
  const std::byte* data = nullptr;
  uint32_t strip_rows = 0;  // 0: rows as in the file; else strips of so many (strips.h)
};

size_t strip_bytes(const Matrix& w);  // of one of its strips
size_t bytes_of(const Matrix& w);     // of all of it

// How many rows the strips of a type have on this path. 0: it multiplies that type in float32, from
// rows as they lie in the file. 1: the path's strips are such rows.
uint32_t strip_rows_of(Path path, gguf::Type type);

// A matrix that lies as in the file, as strips of strip_rows_of() rows, into bytes_of() bytes; the
// last strip repeats the last row.
void pack(const Matrix& w, uint32_t strip_rows, std::byte* to);

// Row `row` of a matrix as in the file, as float32: gguf/quant.cc, the definition of every format.
void dequantize_row(const Matrix& w, uint64_t row, float* out);

// Context of every call: who computes and how.
struct Machine {
  ThreadPool& pool;
  Path path;
};

// y[t][r] = sum_k w[r][k] * x[t][k], t < n_tokens. Strips multiply activations quantized once per
// call (panel.h); rows as in the file are multiplied in float32, dequantized where they need to be
// (the accuracy reference). y rows lie y_stride floats apart.
void matmul(const Machine& machine, const Matrix& w, const float* x, size_t n_tokens, float* y,
            size_t y_stride);

// Several matrices that read the same x (q, k, v; gate, up): one quantization of x, one barrier.
struct MatmulOut {
  const Matrix* w;
  float* y;
  size_t y_stride;
};
void matmul_many(const Machine& machine, std::span<const MatmulOut> outs, const float* x,
                 size_t n_tokens);

// A stack of matrices of which each takes its own rows: y[i] = W_m x[x_rows[i]] for the i of each
// group. Groups follow each other; y rows are contiguous.
struct RowGroup {
  uint32_t matrix;      // m, in the stack
  uint32_t first, end;  // of i
};
struct StackOut {
  const Matrix* first;  // matrix 0 of the stack; the others follow in memory
  float* y;
};
void matmul_grouped(const Machine& machine, std::span<const StackOut> outs,
                    std::span<const RowGroup> groups, const float* x, size_t n_x,
                    std::span<const uint32_t> x_rows);

// NormKind (operands.h) for each of n rows of `width`. bias null for rms. out may be x.
void normalize(const Machine& machine, NormKind kind, const float* x, const float* weight,
               const float* bias, float eps, size_t width, size_t n, float* out);

// Rotary embedding in place on n_heads heads of head_dim in each token row.
// cos_sin: for each token, n_rot/2 pairs (cos, sin).
void rope(const Machine& machine, RopeKind kind, float* x, size_t row_stride, size_t n_heads,
          size_t head_dim, size_t n_rot, const float* cos_sin, size_t n_tokens);

// Activation (operands.h), elementwise over n floats; up may be null, out may be gate.
void activate(const Machine& machine, Activation activation, const float* gate, const float* up,
              size_t n, float* out);

// x += scale * y
void add(const Machine& machine, float* x, const float* y, float scale, size_t n);
// every row of x += bias
void add_bias(const Machine& machine, float* x, const float* bias, size_t width, size_t n_rows);

// Writes k and v (rows of n_kv_heads * k_dim and v_dim) into the pages at each row's position.
void kv_store(const Machine& machine, const AttentionShape& shape,
              std::span<const AttentionRow> rows, const float* k, const float* v);

// Causal attention of each row over positions 0..position of its own sequence. Flash style over
// tiles of one page, merged in order of absolute position.
void attention(const Machine& machine, const AttentionShape& shape,
               std::span<const AttentionRow> rows, const float* q, size_t q_stride, float* out,
               size_t out_stride);

}  // namespace hearth::cpu
