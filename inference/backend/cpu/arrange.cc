// Operations that arrange numbers, or change each of them alone.
#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_backend.h"

namespace hearth::cpu {

void CpuBackend::multiply_stack(const Weight& stack, const float* x, size_t n, float* y) {
  // Group i of the stack takes row i of every token, and leaves its results together.
  const uint32_t n_stacked = stack.n_stacked, n_rows = static_cast<uint32_t>(n);
  std::vector<RowGroup> groups;
  std::vector<uint32_t> x_rows;
  for (uint32_t i = 0; i < n_stacked; ++i) {
    groups.push_back({i, i * n_rows, (i + 1) * n_rows});
    for (uint32_t t = 0; t < n_rows; ++t) x_rows.push_back(t * n_stacked + i);
  }
  float* together = stack_room_.reserve<float>(size_t{n_stacked} * n * stack.rows);
  const Matrix first{.type = stack.type,
                     .cols = stack.cols,
                     .rows = stack.rows,
                     .data = stack.data.get(),
                     .strip_rows = stack.strip_rows};
  const StackOut out{&first, together};
  matmul_grouped(machine(), {&out, 1}, groups, x, n * n_stacked, x_rows);
  for (size_t i = 0; i < n_stacked; ++i) {
    const float factor = stack.factors ? stack.factors.get()[i] : 1;
    for (size_t t = 0; t < n; ++t) {
      const float* from = together + (i * n + t) * stack.rows;
      float* to = y + (t * n_stacked + i) * stack.rows;
      for (size_t row = 0; row < stack.rows; ++row) to[row] = factor * from[row];
    }
  }
}

void CpuBackend::join(const float* a, size_t first, const float* b, size_t second, size_t n,
                      float* x) {
  for (size_t i = 0; i < n; ++i) {
    x = std::copy_n(a + i * first, first, x);
    x = std::copy_n(b + i * second, second, x);
  }
}

void CpuBackend::gate(float* x, const float* gate, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] *= 1.0f / (1.0f + std::exp(-gate[i]));
}

void CpuBackend::multiply_elements(float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] *= y[i];
}

void CpuBackend::xielu(const Xielu& p, float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float curve =
        x[i] > 0 ? p.a * x[i] * x[i] : (std::expm1(std::min(x[i], p.eps)) - x[i]) * p.b;
    x[i] = curve + p.beta * x[i];
  }
}

}  // namespace hearth::cpu
