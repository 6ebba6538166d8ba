#include "backend/cpu/cpu_backend.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "backend/cpu/experts.h"
#include "gguf/quant.h"

namespace hearth::cpu {
namespace {

Matrix matrix_of(const Weight& w) {
  return {.type = w.type,
          .cols = w.cols,
          .rows = w.rows,
          .data = w.data.get(),
          .strip_rows = w.strip_rows};
}

}  // namespace

CpuBackend::CpuBackend(uint32_t n_threads, Path path, bool exact)
    : pool_(n_threads), path_(path), exact_(exact) {}

// As strips in memory of its own.
Weight CpuBackend::repacked(const Weight& table, uint32_t strip_rows) {
  Weight weight = table;
  weight.strip_rows = strip_rows;
  const size_t row_bytes = gguf::row_bytes(table.type, table.cols);
  const size_t bytes = bytes_of(matrix_of(weight));
  const auto memory = weights_.allocate(bytes * table.n_stacked);
  for (uint32_t i = 0; i < table.n_stacked; i++) {
    Matrix matrix = matrix_of(table);
    matrix.data += i * table.rows * row_bytes;
    pack(matrix, strip_rows, memory.get() + i * bytes);
  }
  weight.data = memory;
  return weight;
}

Weight CpuBackend::prepare(const gguf::Tensor& tensor, uint64_t first_row, uint64_t n_rows) {
  const Weight table = prepare_table(tensor, first_row, n_rows);
  const uint32_t strip_rows = exact_ ? 0 : strip_rows_of(path_, tensor.type);
  if (strip_rows > 1) return repacked(table, strip_rows);
  Weight weight = table;
  weight.strip_rows = strip_rows;
  return weight;
}

Weight CpuBackend::prepare_table(const gguf::Tensor& tensor, uint64_t first_row, uint64_t n_rows) {
  const std::byte* at =
      tensor.data.data() + first_row * gguf::row_bytes(tensor.type, tensor.dims[0]);
  return {.type = tensor.type,
          .cols = tensor.dims[0],
          .rows = n_rows,
          .n_stacked = static_cast<uint32_t>(tensor.dims[2]),
          .data = std::shared_ptr<const std::byte>(std::shared_ptr<const std::byte>(), at)};
}

uint64_t CpuBackend::prepared_bytes(const gguf::Tensor& tensor) const {
  const uint32_t strip_rows = exact_ ? 0 : strip_rows_of(path_, tensor.type);
  if (tensor.n_dims < 2 || strip_rows < 2) return tensor.data.size();
  return tensor.dims[2] * bytes_of({.type = tensor.type,
                                    .cols = tensor.dims[0],
                                    .rows = tensor.dims[1],
                                    .strip_rows = strip_rows});
}

Floats CpuBackend::allocate(size_t n) {
  constexpr std::align_val_t kAlignment{64};
  auto* memory = static_cast<float*>(::operator new(n * sizeof(float), kAlignment));
  return {std::shared_ptr<float>(memory, [](float* at) { ::operator delete(at, kAlignment); }), n};
}

Floats CpuBackend::upload(std::span<const float> numbers) {
  Floats floats = allocate(numbers.size());
  std::ranges::copy(numbers, floats.data());
  return floats;
}

void CpuBackend::embed(const Weight& embedding, std::span<const Token> tokens, float scale,
                       float* out) {
  const Matrix matrix = matrix_of(embedding);
  for (size_t t = 0; t < tokens.size(); t++, out += matrix.cols) {
    dequantize_row(matrix, static_cast<uint64_t>(tokens[t]), out);
    const float factor = embedding.factors ? scale * *embedding.factors : scale;
    for (size_t i = 0; factor != 1 && i < matrix.cols; i++) out[i] *= factor;
  }
}

void CpuBackend::multiply(std::span<const Product> products, const float* x, size_t n) {
  std::vector<Matrix> matrices;
  std::vector<MatmulOut> outs;
  matrices.reserve(products.size());
  for (const Product& product : products) {
    matrices.push_back(matrix_of(product.w));
    outs.push_back({&matrices.back(), product.y, product.w.rows});
  }
  matmul_many(machine(), outs, x, n);
  for (const Product& product : products)
    for (size_t i = 0; product.w.factors && i < n * product.w.rows; i++)
      product.y[i] *= *product.w.factors;
  for (const Product& product : products)
    if (product.bias != nullptr) add_bias(machine(), product.y, product.bias, product.w.rows, n);
}

void CpuBackend::normalize(NormKind kind, const float* x, const float* weight, const float* bias,
                           float eps, size_t width, size_t n, float* out) {
  cpu::normalize(machine(), kind, x, weight, bias, eps, width, n, out);
}

void CpuBackend::rope(RopeKind kind, float* x, size_t n_heads, size_t head_dim, size_t n_rot,
                      const float* cos_sin, size_t n) {
  cpu::rope(machine(), kind, x, n_heads * head_dim, n_heads, head_dim, n_rot, cos_sin, n);
}

void CpuBackend::activate(Activation activation, const float* gate, const float* up, size_t n,
                          float* out) {
  cpu::activate(machine(), activation, gate, up, n, out);
}

void CpuBackend::copy(const float* from, size_t n, float* to) { std::copy_n(from, n, to); }

void CpuBackend::add(float* x, const float* y, float scale, size_t n) {
  cpu::add(machine(), x, y, scale, n);
}

void CpuBackend::scale_rows(float* x, const float* scale, size_t width, size_t n) {
  for (size_t t = 0; t < n; t++)
    for (size_t i = 0; i < width; i++) x[t * width + i] *= scale[t];
}

void CpuBackend::gate_rows(float* x, const float* gate, size_t width, size_t n) {
  for (size_t t = 0; t < n; t++) {
    const float factor = 1.0f / (1.0f + std::exp(-gate[t]));
    for (size_t i = 0; i < width; i++) x[t * width + i] *= factor;
  }
}

void CpuBackend::finish_logits(float* x, float scale, float cap, size_t n) {
  for (size_t i = 0; scale != 1 && i < n; i++) x[i] *= scale;
  for (size_t i = 0; cap != 0 && i < n; i++) x[i] = cap * std::tanh(x[i] / cap);
}

void CpuBackend::store_kv(const AttentionShape& shape, std::span<const AttentionRow> rows,
                          const float* k, const float* v) {
  kv_store(machine(), shape, rows, k, v);
}

void CpuBackend::attend(const AttentionShape& shape, std::span<const AttentionRow> rows,
                        const float* q, float* out) {
  attention(machine(), shape, rows, q, shape.n_heads * shape.k_dim, out,
            shape.n_heads * shape.v_dim);
}

void CpuBackend::run_experts(const Experts& experts, const float* logits, const float* x, size_t n,
                             const ExpertsWorkspace& ws, float* out) {
  cpu::run_experts(machine(), experts, logits, x, n, ws, out);
}

void CpuBackend::keep_rows(float* x, size_t width, std::span<const uint32_t> rows) {
  for (size_t kept = 0; kept < rows.size(); kept++)
    if (kept != rows[kept]) std::copy_n(x + rows[kept] * width, width, x + kept * width);
}

// No NaN and no infinity: the exponent is not all ones. Integer arithmetic, so that it vectorizes.
bool CpuBackend::all_finite(const float* x, size_t n) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t bad = 0;
  for (size_t i = 0; i < n; ++i)
    bad |= static_cast<uint32_t>((std::bit_cast<uint32_t>(x[i]) & kExponent) == kExponent);
  return bad == 0;
}

}  // namespace hearth::cpu

namespace hearth {

std::unique_ptr<Backend> cpu_backend(uint32_t n_threads, bool exact) {
  return std::make_unique<cpu::CpuBackend>(n_threads, cpu::best_path(), exact);
}

}  // namespace hearth
