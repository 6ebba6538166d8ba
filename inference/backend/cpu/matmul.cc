// Matrix products: y = W x for a batch of tokens.
//
// Activations of quantized products become int8 once per call. The product is cut into chunks of
// rows by tokens, which the pool's workers take in any order; a grouped product (experts, each with
// its own tokens) is many products cut together. A chunk goes through its rows in
// strips: for few tokens the kernel reads the file's blocks directly (bound by memory), for more
// the strip is unpacked once and multiplied with all tokens (bound by instructions). Both compute
// the same bits, see kernels.h, so neither the chunks nor the choice is visible in the result.
//
// Types without kernels, and every type when `exact`, are dequantized row by row to float32.
//
// Cost: one or two barriers a call. Speed: tests/bench/cpu_ops_bench.
#include <algorithm>

#include "backend/cpu/activations.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/ops.h"
#include "gguf/quant.h"

namespace hearth::cpu {
namespace {

// From this many tokens on, unpacking a strip pays.
constexpr size_t kMinPackedTokens = 4;
// Tokens of one chunk: their int8 activations stay in the second-level cache.
constexpr size_t kChunkTokens = 128;
// Rows of a chunk are a multiple of this: the tallest strip.
constexpr size_t kChunkRows = 16;
// The dot kernels of quantized formats take at most this many rows.
constexpr size_t kDotRows = 8;
constexpr size_t kFloatRows = 4;

// One matrix of a call and how it is multiplied.
struct Product {
  Matrix w;
  size_t n_tokens;
  float* y;
  size_t y_stride;
  const float* x;                           // row t lies at x_row(t)
  const uint32_t* x_rows;                   // null: in order
  const QuantKernels* quantized = nullptr;  // with `columns`, one a token; else
  const QuantizedColumn* columns = nullptr;
  FloatDot float_dot = nullptr;  // on the file's rows; else dequantize

  const uint8_t* row(size_t r) const {
    return reinterpret_cast<const uint8_t*>(w.data) + r * row_bytes();
  }
  size_t row_bytes() const { return gguf::row_bytes(w.type, w.cols); }
  const float* x_row(size_t t) const { return x + (x_rows != nullptr ? x_rows[t] : t) * w.cols; }
};

struct Chunk {
  const Product* product;
  size_t first_row, end_row;
  size_t first_token, end_token;
};

FloatDot float_dot_of(const Kernels& kernels, gguf::Type type) {
  switch (type) {
    case gguf::Type::f32: return kernels.dot_f32;
    case gguf::Type::f16: return kernels.dot_f16;
    case gguf::Type::bf16: return kernels.dot_bf16;
    default: return nullptr;
  }
}

// A strip for rows of k elements, in this thread's scratch memory.
PackedStrip strip_in(Scratch& scratch, size_t rows, size_t k) {
  // Bounds over all formats: a scale per 16 elements, a float pair per 32.
  const size_t quants = rows * k, scales = rows * k / 16 * 2, mins = rows * k / 16,
               floats = rows * k / 32;
  uint8_t* at = scratch.reserve<uint8_t>(quants + 2 * (scales + mins) + 8 * floats);
  float* d = reinterpret_cast<float*>(at + quants);
  int16_t* first_scale = reinterpret_cast<int16_t*>(d + 2 * floats);
  return {.rows = rows,
          .quants = at,
          .scales = first_scale,
          .mins = first_scale + scales,
          .d = d,
          .m = d + floats};
}

void multiply_direct(const Chunk& chunk) {
  const Product& p = *chunk.product;
  for (size_t r = chunk.first_row; r < chunk.end_row; r += kDotRows) {
    const size_t n_rows = std::min(kDotRows, chunk.end_row - r);
    for (size_t t = chunk.first_token; t < chunk.end_token; t++) {
      p.quantized->dot(p.row(r), p.row_bytes(), n_rows, p.w.cols, p.columns[t],
                       p.y + t * p.y_stride + r);
    }
  }
}

void multiply_packed(const Chunk& chunk, size_t strip_rows) {
  thread_local Scratch packed, edge;
  const Product& p = *chunk.product;
  const size_t n_tokens = chunk.end_token - chunk.first_token;
  const PackedStrip strip = strip_in(packed, strip_rows, p.w.cols);
  for (size_t r = chunk.first_row; r < chunk.end_row; r += strip_rows) {
    const size_t n_rows = std::min(strip_rows, chunk.end_row - r);
    p.quantized->pack(p.row(r), p.row_bytes(), n_rows, p.w.cols, strip);
    const QuantizedColumn* x = p.columns + chunk.first_token;
    float* y = p.y + chunk.first_token * p.y_stride + r;
    if (n_rows == strip_rows) {
      p.quantized->gemm(strip, p.w.cols, x, n_tokens, y, p.y_stride);
      continue;
    }
    float* whole = edge.reserve<float>(n_tokens * strip_rows);
    p.quantized->gemm(strip, p.w.cols, x, n_tokens, whole, strip_rows);
    for (size_t t = 0; t < n_tokens; t++) {
      std::copy_n(whole + t * strip_rows, n_rows, y + t * p.y_stride);
    }
  }
}

void multiply_float(const Chunk& chunk, const Kernels& kernels) {
  thread_local Scratch dequantized;
  const Product& p = *chunk.product;
  const size_t k = p.w.cols;
  for (size_t r = chunk.first_row; r < chunk.end_row; r += kFloatRows) {
    const size_t n_rows = std::min(kFloatRows, chunk.end_row - r);
    const uint8_t* rows = p.row(r);
    size_t row_bytes = p.row_bytes();
    FloatDot dot = p.float_dot;
    if (dot == nullptr) {
      float* floats = dequantized.reserve<float>(kFloatRows * k);
      for (size_t i = 0; i < n_rows; i++) dequantize_row(p.w, r + i, floats + i * k);
      rows = reinterpret_cast<const uint8_t*>(floats);
      row_bytes = k * sizeof(float);
      dot = kernels.dot_f32;
    }
    const size_t step = p.x_rows != nullptr ? 1 : chunk.end_token - chunk.first_token;
    for (size_t t = chunk.first_token; t < chunk.end_token; t += step) {
      dot(rows, row_bytes, n_rows, k, p.x_row(t), k, step, p.y + t * p.y_stride + r, p.y_stride);
    }
  }
}

// Cuts all products into chunks: several for each worker, so that none waits long for another.
std::vector<Chunk> chunks_of(const std::vector<Product>& products, size_t n_workers) {
  constexpr size_t kChunksPerWorker = 4;
  const auto n_spans = [](const Product& p) {
    return (p.n_tokens + kChunkTokens - 1) / kChunkTokens;
  };
  size_t total_rows = 0, most_tokens = 0;
  for (const Product& p : products) {
    total_rows += p.w.rows * n_spans(p);
    most_tokens = std::max(most_tokens, p.n_tokens);
  }
  const size_t wanted = total_rows / (n_workers * kChunksPerWorker) + 1;
  const size_t step = (wanted + kChunkRows - 1) / kChunkRows * kChunkRows;

  std::vector<Chunk> chunks;
  for (size_t t = 0; t < most_tokens; t += kChunkTokens) {
    for (const Product& p : products) {
      for (size_t r = 0; t < p.n_tokens && r < p.w.rows; r += step) {
        chunks.push_back({&p, r, std::min<size_t>(p.w.rows, r + step), t,
                          std::min(p.n_tokens, t + kChunkTokens)});
      }
    }
  }
  return chunks;
}

// The quantized forms of one call's x, made when a product first asks for them.
class QuantizedX {
 public:
  QuantizedX(const Machine& machine, const float* x, size_t k, size_t n_tokens)
      : machine_(machine), x_(x), k_(k), n_tokens_(n_tokens) {}

  const QuantizedColumn* columns(ActivationBlock block) {
    thread_local Activations of_32, of_256;  // the caller is always the engine thread
    const bool is_32 = block == ActivationBlock::of_32;
    Activations& activations = is_32 ? of_32 : of_256;
    bool& have = is_32 ? have_32_ : have_256_;
    if (!have) activations.quantize(machine_, block, x_, k_, n_tokens_);
    have = true;
    return activations.columns();
  }

 private:
  const Machine& machine_;
  const float* x_;
  const size_t k_, n_tokens_;
  bool have_32_ = false, have_256_ = false;
};

void run(const Machine& machine, const std::vector<Product>& products) {
  const Kernels& kernels = kernels_of(machine.path);
  const std::vector<Chunk> chunks = chunks_of(products, machine.pool.size());
  machine.pool.run(static_cast<uint32_t>(chunks.size()), [&](uint32_t i) {
    const Chunk& chunk = chunks[i];
    const QuantKernels* quantized = chunk.product->quantized;
    if (quantized == nullptr) {
      multiply_float(chunk, kernels);
    } else if (quantized->gemm == nullptr ||
               chunk.end_token - chunk.first_token < kMinPackedTokens) {
      multiply_direct(chunk);
    } else {
      multiply_packed(chunk, kernels.strip_rows);
    }
  });
}

}  // namespace

void dequantize_row(const Matrix& w, uint64_t row, float* out) {
  gguf::dequantize_row(w.type, w.data + row * gguf::row_bytes(w.type, w.cols), w.cols, out);
}

void matmul_many(const Machine& machine, std::span<const MatmulOut> outs, const float* x,
                 size_t n_tokens, bool exact) {
  if (n_tokens == 0) return;
  const Kernels& kernels = kernels_of(machine.path);
  QuantizedX quantized_x(machine, x, outs.front().w->cols, n_tokens);
  std::vector<Product> products;
  for (const MatmulOut& out : outs) {
    Product p{.w = *out.w,
              .n_tokens = n_tokens,
              .y = out.y,
              .y_stride = out.y_stride,
              .x = x,
              .x_rows = nullptr,
              .float_dot = float_dot_of(kernels, out.w->type)};
    p.quantized = exact ? nullptr : kernels.quantized(p.w.type);
    if (p.quantized != nullptr) p.columns = quantized_x.columns(p.quantized->block);
    products.push_back(p);
  }
  run(machine, products);
}

void matmul_grouped(const Machine& machine, std::span<const StackOut> outs,
                    std::span<const RowGroup> groups, const float* x, size_t n_x,
                    std::span<const uint32_t> x_rows, bool exact) {
  const Kernels& kernels = kernels_of(machine.path);
  QuantizedX quantized_x(machine, x, outs.front().first->cols, n_x);
  std::vector<std::vector<QuantizedColumn>> columns(outs.size());  // in the order of the groups
  std::vector<Product> products;
  for (size_t o = 0; o < outs.size(); o++) {
    const Matrix& first = *outs[o].first;
    const QuantKernels* quantized = exact ? nullptr : kernels.quantized(first.type);
    if (quantized != nullptr) {
      const QuantizedColumn* all = quantized_x.columns(quantized->block);
      for (uint32_t row : x_rows) columns[o].push_back(all[row]);
    }
    const size_t matrix_bytes = gguf::row_bytes(first.type, first.cols) * first.rows;
    for (const RowGroup& group : groups) {
      products.push_back({.w = {.type = first.type,
                                .cols = first.cols,
                                .rows = first.rows,
                                .data = first.data + group.matrix * matrix_bytes},
                          .n_tokens = group.end - group.first,
                          .y = outs[o].y + group.first * first.rows,
                          .y_stride = first.rows,
                          .x = x,
                          .x_rows = x_rows.data() + group.first,
                          .quantized = quantized,
                          .columns = quantized ? columns[o].data() + group.first : nullptr,
                          .float_dot = float_dot_of(kernels, first.type)});
    }
  }
  run(machine, products);
}

void matmul(const Machine& machine, const Matrix& w, const float* x, size_t n_tokens, float* y,
            size_t y_stride, bool exact) {
  const MatmulOut out{&w, y, y_stride};
  matmul_many(machine, {&out, 1}, x, n_tokens, exact);
}

}  // namespace hearth::cpu
