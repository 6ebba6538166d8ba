// Matrix products: y = W x for a batch of tokens.
//
// Quantized matrices lie in strips (strips.h) and activations become int8 panels (panel.h) once per
// call. The product is cut into chunks of rows by tokens, which the pool's workers take in any
// order; a grouped product (experts, each with its own tokens) is many products cut together. What
// a kernel computes for a row and a token depends on nothing else, so neither the chunks nor the
// panels are visible in the result.
//
// Matrices in the file's layout are multiplied in float32, dequantized row by row where they are
// not float types.
//
// Cost: two barriers a call. Speed: tests/bench/cpu_ops_bench.
#include <algorithm>

#include "backend/cpu/kernels.h"
#include "backend/cpu/ops.h"
#include "backend/cpu/scratch.h"
#include "backend/cpu/strips.h"
#include "gguf/quant.h"

namespace hearth::cpu {
namespace {

// Panels of one chunk: they stay in the second-level cache while its strips pass by. Those with
// tiles have a larger one.
constexpr size_t kChunkPanelBytes = 192 << 10, kTileChunkPanelBytes = 1 << 20;
constexpr size_t kMaxChunkTokens = 16 * kPanelColumns;
// Rows of a chunk are a multiple of this: the tallest strip.
constexpr size_t kChunkRows = 16;
constexpr size_t kFloatRows = 4;

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// Tiles compute all of their columns, vectors only those that are there.
bool fills_tiles(size_t n_tokens) { return 4 * n_tokens >= 3 * round_up(n_tokens, kTileColumns); }

// Panels one after the other: that of columns t.. begins at t * column_bytes.
struct Panels {
  const uint8_t* data = nullptr;
  size_t column_bytes = 0;
  bool is_tiled = false;

  size_t n_columns() const { return is_tiled ? kTileColumns : kPanelColumns; }
};

// One matrix of a call and how it is multiplied.
struct Product {
  Matrix w;
  size_t n_tokens;
  float* y;
  size_t y_stride;
  const float* x;                           // row t lies at x_row(t)
  const uint32_t* x_rows;                   // null: in order
  const QuantKernels* quantized = nullptr;  // of strips with panels; else
  MultiplyTiles tiles = nullptr;            // for tile panels
  Panels panels{};
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

void multiply_strips(const Chunk& chunk) {
  const Product& p = *chunk.product;
  const size_t strip_rows = p.w.strip_rows, bytes = strip_bytes(p.w);
  for (size_t r = chunk.first_row; r < chunk.end_row; r += strip_rows) {
    const auto* strip = reinterpret_cast<const uint8_t*>(p.w.data) + r / strip_rows * bytes;
    const size_t n_rows = std::min(strip_rows, chunk.end_row - r);
    if (p.panels.is_tiled) {
      const uint8_t* panels = p.panels.data + chunk.first_token * p.panels.column_bytes;
      p.tiles(strip, n_rows, p.w.cols, panels, chunk.end_token - chunk.first_token,
              p.y + chunk.first_token * p.y_stride + r, p.y_stride);
      continue;
    }
    for (size_t t = chunk.first_token; t < chunk.end_token; t += kPanelColumns) {
      const size_t n = std::min(kPanelColumns, chunk.end_token - t);
      const uint8_t* panel = p.panels.data + t * p.panels.column_bytes;
      float* y = p.y + t * p.y_stride + r;
      if (n_rows == strip_rows) {
        p.quantized->multiply(strip, p.w.cols, panel, n, y, p.y_stride);
        continue;
      }
      float whole[kPanelColumns * kChunkRows];
      p.quantized->multiply(strip, p.w.cols, panel, n, whole, strip_rows);
      for (size_t c = 0; c < n; c++)
        std::copy_n(whole + c * strip_rows, n_rows, y + c * p.y_stride);
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

// Tokens of a chunk: as many as its panels may have, or less, so that all of them have as many.
size_t chunk_tokens(const Product& p) {
  size_t step = 1, most = kMaxChunkTokens;
  if (p.quantized != nullptr) {
    step = p.panels.n_columns();
    const size_t bytes = p.panels.is_tiled ? kTileChunkPanelBytes : kChunkPanelBytes;
    most = std::clamp(bytes / p.panels.column_bytes / step * step, step,
                      p.panels.is_tiled ? kMostTileColumns : kMaxChunkTokens);
  }
  const size_t n_chunks = (p.n_tokens + most - 1) / most;
  return round_up((p.n_tokens + n_chunks - 1) / n_chunks, step);
}

// Cuts all products into chunks: several for each worker, so that none waits long for another.
std::vector<Chunk> chunks_of(const std::vector<Product>& products, size_t n_workers) {
  constexpr size_t kChunksPerWorker = 12;
  size_t total_rows = 0, n_spans = 0;
  for (const Product& p : products) {
    const size_t spans = (p.n_tokens + chunk_tokens(p) - 1) / chunk_tokens(p);
    total_rows += p.w.rows * spans;
    n_spans = std::max(n_spans, spans);
  }
  const size_t step = round_up(total_rows / (n_workers * kChunksPerWorker) + 1, kChunkRows);

  std::vector<Chunk> chunks;
  for (size_t span = 0; span < n_spans; span++) {
    for (const Product& p : products) {
      const size_t n_tokens = chunk_tokens(p), t = span * n_tokens;
      for (size_t r = 0; t < p.n_tokens && r < p.w.rows; r += step) {
        chunks.push_back(
            {&p, r, std::min<size_t>(p.w.rows, r + step), t, std::min(p.n_tokens, t + n_tokens)});
      }
    }
  }
  return chunks;
}

// The panels of one call's products, made when a product first asks for them: for each group of
// rows of x panels of its own, one group after the other.
class QuantizedX {
 public:
  struct Group {
    size_t first, end;
  };
  QuantizedX(const Machine& machine, const float* x, size_t k, const uint32_t* x_rows,
             std::span<const Group> groups)
      : machine_(machine), x_(x), k_(k), x_rows_(x_rows), groups_(groups) {}

  // Those of a group, for strips of a type with kernels.
  Panels panels(gguf::Type type, size_t group) {
    const Kernels& kernels = kernels_of(machine_.path);
    const ActivationBlock block = kernels.quantized(type)->block;
    std::vector<Panels>& panels = panels_[block == ActivationBlock::of_32 ? 0 : 1];
    if (panels.empty() && !groups_.empty())
      panels = quantize(block, kernels.tiles(type) != nullptr);
    return panels.empty() ? Panels{} : panels[group];
  }

 private:
  std::vector<Panels> quantize(ActivationBlock block, bool has_tiles) const {
    thread_local Scratch memory[2];  // the caller is always the engine thread
    const bool is_of_32 = block == ActivationBlock::of_32;
    const size_t column_bytes = is_of_32 ? k_ / 32 * kPanel32.bytes : k_ / 256 * kPanel256.bytes;
    size_t n_columns = 0;
    for (const Group& group : groups_) n_columns += round_up(group.end - group.first, kTileColumns);
    uint8_t* next = memory[is_of_32 ? 0 : 1].reserve<uint8_t>(column_bytes * n_columns);

    std::vector<Panels> all;
    std::vector<Piece> pieces;
    for (const Group& group : groups_) {
      const Panels panels{next, column_bytes, has_tiles && fills_tiles(group.end - group.first)};
      all.push_back(panels);
      const size_t step = panels.n_columns();
      for (size_t t = group.first; t < group.end; t += step, next += step * column_bytes)
        pieces.push_back({t, std::min(group.end, t + step), next, panels.is_tiled});
    }
    machine_.pool.run(static_cast<uint32_t>(pieces.size()),
                      [&](uint32_t i) { fill(pieces[i], is_of_32, column_bytes); });
    return all;
  }

  // One panel and its rows of x.
  struct Piece {
    size_t first, end;
    uint8_t* panel;
    bool is_tiled;
  };
  void fill(const Piece& piece, bool is_of_32, size_t column_bytes) const {
    const Kernels& kernels = kernels_of(machine_.path);
    const auto kernel = is_of_32 ? kernels.quantize_32 : kernels.quantize_256;
    PanelColumn to{
        .panel = piece.panel, .n_columns = piece.end - piece.first, .column = 0, .run = kPanelRun};
    if (piece.is_tiled) {
      if (to.n_columns < kTileColumns) std::fill_n(piece.panel, kTileColumns * column_bytes, 0);
      to.n_columns = kTileColumns;
      to.run = is_of_32 ? kTileRun32 : kTileRun256;
    }
    for (size_t t = piece.first; t < piece.end; t++, to.column++)
      kernel(x_ + (x_rows_ != nullptr ? x_rows_[t] : t) * k_, k_, to);
  }

  const Machine& machine_;
  const float* x_;
  const size_t k_;
  const uint32_t* x_rows_;
  const std::span<const Group> groups_;
  std::vector<Panels> panels_[2];
};

void run(const Machine& machine, const std::vector<Product>& products) {
  const Kernels& kernels = kernels_of(machine.path);
  const std::vector<Chunk> chunks = chunks_of(products, machine.pool.size());
  machine.pool.run(static_cast<uint32_t>(chunks.size()), [&](uint32_t i) {
    if (chunks[i].product->quantized != nullptr)
      multiply_strips(chunks[i]);
    else
      multiply_float(chunks[i], kernels);
  });
}

const QuantKernels* kernels_for(const Kernels& kernels, const Matrix& w) {
  return w.strip_rows != 0 ? kernels.quantized(w.type) : nullptr;
}

}  // namespace

void dequantize_row(const Matrix& w, uint64_t row, float* out) {
  gguf::dequantize_row(w.type, w.data + row * gguf::row_bytes(w.type, w.cols), w.cols, out);
}

void matmul_many(const Machine& machine, std::span<const MatmulOut> outs, const float* x,
                 size_t n_tokens) {
  if (n_tokens == 0) return;
  const Kernels& kernels = kernels_of(machine.path);
  const QuantizedX::Group all[] = {{0, n_tokens}};
  QuantizedX quantized_x(machine, x, outs.front().w->cols, nullptr, all);
  std::vector<Product> products;
  for (const MatmulOut& out : outs) {
    Product p{.w = *out.w,
              .n_tokens = n_tokens,
              .y = out.y,
              .y_stride = out.y_stride,
              .x = x,
              .x_rows = nullptr,
              .quantized = kernels_for(kernels, *out.w),
              .tiles = kernels.tiles(out.w->type),
              .float_dot = float_dot_of(kernels, out.w->type)};
    if (p.quantized != nullptr) p.panels = quantized_x.panels(out.w->type, 0);
    products.push_back(p);
  }
  run(machine, products);
}

void matmul_grouped(const Machine& machine, std::span<const StackOut> outs,
                    std::span<const RowGroup> groups, const float* x, size_t n_x,
                    std::span<const uint32_t> x_rows) {
  const Kernels& kernels = kernels_of(machine.path);
  // All groups of a single row share its panel.
  std::vector<QuantizedX::Group> panel_groups{{0, 1}};
  if (n_x != 1) {
    panel_groups.clear();
    for (const RowGroup& group : groups) panel_groups.push_back({group.first, group.end});
  }
  QuantizedX quantized_x(machine, x, outs.front().first->cols, x_rows.data(), panel_groups);
  std::vector<Product> products;
  for (const StackOut& out : outs) {
    const Matrix& first = *out.first;
    const QuantKernels* quantized = kernels_for(kernels, first);
    const size_t matrix_bytes = bytes_of(first);
    for (size_t i = 0; i < groups.size(); i++) {
      const RowGroup& group = groups[i];
      Product p{.w = first,
                .n_tokens = group.end - group.first,
                .y = out.y + group.first * first.rows,
                .y_stride = first.rows,
                .x = x,
                .x_rows = x_rows.data() + group.first,
                .quantized = quantized,
                .tiles = kernels.tiles(first.type),
                .float_dot = float_dot_of(kernels, first.type)};
      p.w.data += group.matrix * matrix_bytes;
      if (quantized != nullptr) p.panels = quantized_x.panels(first.type, n_x != 1 ? i : 0);
      products.push_back(p);
    }
  }
  run(machine, products);
}

void matmul(const Machine& machine, const Matrix& w, const float* x, size_t n_tokens, float* y,
            size_t y_stride) {
  const MatmulOut out{&w, y, y_stride};
  matmul_many(machine, {&out, 1}, x, n_tokens);
}

}  // namespace hearth::cpu
