#include "backend/cpu/avx2/avx2.h"
#include "backend/cpu/avx2/int8_vector.h"
#include "backend/cpu/simd/strip_products.h"

namespace hearth::cpu::avx2 {

const QuantKernels* quantized(gguf::Type type) { return strip_kernels<Avx2>(type); }

}  // namespace hearth::cpu::avx2
