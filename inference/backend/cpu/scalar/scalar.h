// The scalar path: the reference for the others, and what runs on CPUs without AVX2.
#pragma once

#include "backend/cpu/kernels.h"

namespace hearth::cpu::scalar {

void quantize_32(const float* x, size_t k, PanelColumn to);
void quantize_256(const float* x, size_t k, PanelColumn to);

const QuantKernels* quantized(gguf::Type type);

void dot_f32(const uint8_t* w, size_t w_stride, size_t n_rows, size_t k, const float* x,
             size_t x_stride, size_t n_columns, float* y, size_t y_stride);
void dot_f16(const uint8_t* w, size_t w_stride, size_t n_rows, size_t k, const float* x,
             size_t x_stride, size_t n_columns, float* y, size_t y_stride);
void dot_bf16(const uint8_t* w, size_t w_stride, size_t n_rows, size_t k, const float* x,
              size_t x_stride, size_t n_columns, float* y, size_t y_stride);

void silu_mul(const float* gate, const float* up, size_t n, float* act);
void gelu_mul(const float* gate, const float* up, size_t n, float* act);
void gpt_oss_mul(const float* gate, const float* up, size_t n, float* act);
float softmax_tile(float* scores, size_t n, float scale, float softcap, SoftmaxState& state);
void score(const uint8_t* keys, size_t first, size_t end, size_t k_dim, const float* queries,
           size_t n_queries, float* scores);
void weighted_sum(const float* p, size_t n_queries, const float* correction, const uint8_t* v,
                  size_t n, size_t head_dim, float* sums);
void pair_products(const PairProduct& product);
void softmax_ints(const PageSoftmax& page);
void add_page(const int32_t* ints, const PageWeight* of, size_t n_queries, size_t width,
              float* sums);
void keys_to_ints(const uint8_t* ratios, const uint8_t* bytes, size_t dim, int16_t* to);
void values_to_ints(const uint8_t* ratios, const uint8_t* bytes, size_t dim, int16_t* to);

uint64_t int8_chain(uint64_t n_rounds);
uint64_t f32_chain(uint64_t n_rounds);

}  // namespace hearth::cpu::scalar
