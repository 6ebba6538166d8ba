// The AVX-VNNI path: AVX2 with an instruction that multiplies bytes and adds fours exactly in
// int32.
#pragma once

#include "backend/cpu/kernels.h"

namespace hearth::cpu::avxvnni {

const QuantKernels* quantized(gguf::Type type);

uint64_t int8_chain(uint64_t n_rounds);

}  // namespace hearth::cpu::avxvnni
