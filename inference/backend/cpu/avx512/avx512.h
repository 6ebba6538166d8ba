// The AVX-512 path (F, BW, VL and VNNI): products of packed strips of 16 rows with dpbusd. All else
// is the AVX2 code; 512-bit float work would change its bits for little gain on most CPUs.
#pragma once

#include "backend/cpu/kernels.h"

namespace hearth::cpu::avx512 {

const QuantKernels* quantized(gguf::Type type);

uint64_t int8_chain(uint64_t n_rounds);

}  // namespace hearth::cpu::avx512
