// Float32 dot products of float weights: lanes are K modulo eight, tiles of four rows and up to
// three columns share their loads. A pair (row, column) is computed alike in every tile.
#include "backend/cpu/avx2/avx2.h"
#include "backend/cpu/avx2/elements.h"

namespace hearth::cpu::avx2 {
namespace {

template <class Element, int n_rows, int n_columns>
void tile(const uint8_t* w, size_t w_stride, size_t k, const float* x, size_t x_stride, float* y,
          size_t y_stride) {
  __m256 acc[n_rows][n_columns];
  for (auto& row : acc) {
    for (__m256& a : row) a = _mm256_setzero_ps();
  }
  size_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
    __m256 column[n_columns];
    for (int c = 0; c < n_columns; c++) column[c] = _mm256_loadu_ps(x + c * x_stride + i);
    for (int r = 0; r < n_rows; r++) {
      const __m256 row = Element::load(w + r * w_stride, i);
      for (int c = 0; c < n_columns; c++) acc[r][c] = _mm256_fmadd_ps(row, column[c], acc[r][c]);
    }
  }
  if (i < k) {
    for (int r = 0; r < n_rows; r++) {
      const __m256 row = load_tail<Element>(w + r * w_stride, i, k - i);
      for (int c = 0; c < n_columns; c++) {
        acc[r][c] = _mm256_fmadd_ps(row, load_first(x + c * x_stride + i, k - i), acc[r][c]);
      }
    }
  }
  for (int c = 0; c < n_columns; c++) {
    for (int r = 0; r < n_rows; r++) y[c * y_stride + r] = sum_of(acc[r][c]);
  }
}

template <class Element, int n_rows>
void tiles_of_rows(const uint8_t* w, size_t w_stride, size_t k, const float* x, size_t x_stride,
                   size_t n_columns, float* y, size_t y_stride) {
  size_t c = 0;
  for (; c + 3 <= n_columns; c += 3) {
    tile<Element, n_rows, 3>(w, w_stride, k, x + c * x_stride, x_stride, y + c * y_stride,
                             y_stride);
  }
  for (; c < n_columns; c++) {
    tile<Element, n_rows, 1>(w, w_stride, k, x + c * x_stride, x_stride, y + c * y_stride,
                             y_stride);
  }
}

template <class Element>
void dot(const uint8_t* w, size_t w_stride, size_t n_rows, size_t k, const float* x,
         size_t x_stride, size_t n_columns, float* y, size_t y_stride) {
  size_t r = 0;
  for (; r + 4 <= n_rows; r += 4) {
    tiles_of_rows<Element, 4>(w + r * w_stride, w_stride, k, x, x_stride, n_columns, y + r,
                              y_stride);
  }
  for (; r < n_rows; r++) {
    tiles_of_rows<Element, 1>(w + r * w_stride, w_stride, k, x, x_stride, n_columns, y + r,
                              y_stride);
  }
}

}  // namespace

void dot_f32(const uint8_t* w, size_t w_stride, size_t n_rows, size_t k, const float* x,
             size_t x_stride, size_t n_columns, float* y, size_t y_stride) {
  dot<F32>(w, w_stride, n_rows, k, x, x_stride, n_columns, y, y_stride);
}
void dot_f16(const uint8_t* w, size_t w_stride, size_t n_rows, size_t k, const float* x,
             size_t x_stride, size_t n_columns, float* y, size_t y_stride) {
  dot<F16>(w, w_stride, n_rows, k, x, x_stride, n_columns, y, y_stride);
}
void dot_bf16(const uint8_t* w, size_t w_stride, size_t n_rows, size_t k, const float* x,
              size_t x_stride, size_t n_columns, float* y, size_t y_stride) {
  dot<BF16>(w, w_stride, n_rows, k, x, x_stride, n_columns, y, y_stride);
}

}  // namespace hearth::cpu::avx2
