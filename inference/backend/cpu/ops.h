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
#include <vector>

#include "backend/cpu/thread_pool.h"
#include "gguf/types.h"

namespace hearth::cpu {

enum class Path : uint8_t { scalar, avx2, avx512 };

// The widest path that this CPU and OS support; HEARTH_CPU_PATH=scalar|avx2|avx512 lowers it.
Path best_path();
std::string_view name_of(Path path);

// A weight matrix as it lies in the file: `rows` rows of `cols` elements; y = W x is a dot per row.
struct Matrix {
  gguf::Type type = gguf::Type::f32;
  uint64_t cols = 0;  // K
  uint64_t rows = 0;
  const std::byte* data = nullptr;
};

// Row `row` of a matrix as float32. The definition of every format (gguf/quant.cc does the work).
void dequantize_row(const Matrix& w, uint64_t row, float* out);

// Context of every call: who computes and how.
struct Machine {
  ThreadPool& pool;
  Path path;
};

// y[t][r] = sum_k w[r][k] * x[t][k], t < n_tokens. Activations are quantized once per call for
// quantized types (Q8 blocks of 32 with sums, or of 256 for k-quants); float types multiply in
// float32. `exact`: multiply dequantized weights in float32 whatever the type (the accuracy
// reference). y rows lie y_stride floats apart.
void matmul(const Machine& machine, const Matrix& w, const float* x, size_t n_tokens, float* y,
            size_t y_stride, bool exact = false);

// Several matrices that read the same x (q, k, v; gate, up): one quantization of x, one barrier.
struct MatmulOut {
  const Matrix* w;
  float* y;
  size_t y_stride;
};
void matmul_many(const Machine& machine, std::span<const MatmulOut> outs, const float* x,
                 size_t n_tokens, bool exact = false);

// out = x / sqrt(mean(x^2) + eps) * weight, for each of n rows of `width`. out may be x.
void rms_norm(const Machine& machine, const float* x, const float* weight, float eps, size_t width,
              size_t n, float* out);

// Rotary embedding in place on n_heads heads of head_dim in each token row.
// cos_sin: for each token, n_rot/2 pairs (cos, sin) prepared by rope_table().
enum class RopeKind : uint8_t { none, norm, neox };  // pairs (2i, 2i+1) or (i, i + n_rot/2)
void rope(const Machine& machine, RopeKind kind, float* x, size_t row_stride, size_t n_heads,
          size_t head_dim, size_t n_rot, const float* cos_sin, size_t n_tokens);

// act = silu(gate) * up, elementwise over n floats. act may be gate.
void silu_mul(const Machine& machine, const float* gate, const float* up, size_t n, float* act);

// x += y
void add(const Machine& machine, float* x, const float* y, size_t n);
// every row of x += bias
void add_bias(const Machine& machine, float* x, const float* bias, size_t width, size_t n_rows);

// One page of KV holds kPageTokens positions of one layer: for each kv head, kPageTokens rows of
// head_dim, K first then V. Element types as the cache was made (f32, f16, q8_0 in blocks of 32).
inline constexpr uint32_t kPageTokens = 64;

enum class KvElement : uint8_t { f32, f16, q8_0 };
size_t kv_row_bytes(KvElement element, size_t head_dim);

struct AttentionShape {
  uint32_t n_heads, n_kv_heads, head_dim;  // head_dim of K and V
  float scale;
  uint32_t window = 0;  // 0: full; else position p1 sees p0 iff p1 - p0 < window
  float softcap = 0;    // 0: off
  KvElement element = KvElement::f16;
};

// One token's query: its absolute position and the pages of its sequence for this layer.
struct AttentionRow {
  uint32_t position;
  std::span<std::byte* const> pages;  // pages[p / kPageTokens] holds position p
};

// Writes k and v (n_tokens rows of n_kv_heads * head_dim) into the pages at each row's position.
void kv_store(const Machine& machine, const AttentionShape& shape,
              std::span<const AttentionRow> rows, const float* k, const float* v, size_t kv_stride);

// Causal attention of each row over positions 0..position of its own sequence. Flash style over
// tiles of one page, merged in order of absolute position.
void attention(const Machine& machine, const AttentionShape& shape,
               std::span<const AttentionRow> rows, const float* q, size_t q_stride, float* out,
               size_t out_stride);

}  // namespace hearth::cpu
