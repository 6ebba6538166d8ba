#include "backend/cpu/avx512/avx512.h"
#include "backend/cpu/avx512/int8_vector.h"
#include "backend/cpu/simd/strip_products.h"

namespace hearth::cpu::avx512 {

const QuantKernels* quantized(gguf::Type type) { return strip_kernels<Avx512>(type); }

}  // namespace hearth::cpu::avx512
