// The AVX-512 path (F, BW, VL and VNNI): products of packed strips of 16 rows with dpbusd, and
// attention's products, whose bits do not depend on the width. All else is the AVX2 code.
#pragma once

#include "backend/cpu/kernels.h"

namespace hearth::cpu::avx512 {

const QuantKernels* quantized(gguf::Type type);

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

}  // namespace hearth::cpu::avx512
