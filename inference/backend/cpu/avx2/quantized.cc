#include "backend/cpu/avx2/avx2.h"
#include "backend/cpu/avx2/quant_dot.h"
#include "backend/cpu/avx2/quant_gemm.h"
#include "backend/cpu/avx2/quant_pack.h"

namespace hearth::cpu::avx2 {
namespace {

template <class Format>
constexpr QuantKernels kOf32 = {ActivationBlock::of_32, dot_32<Format>, pack_32<Format>,
                                gemm_32<Format>};
template <class Format>
constexpr QuantKernels kOf256 = {ActivationBlock::of_256, dot_256<Format>, pack_256<Format>,
                                 gemm_256<Format>};

}  // namespace

const QuantKernels* quantized(gguf::Type type) {
  switch (type) {
    case gguf::Type::q4_0: return &kOf32<Q4_0>;
    case gguf::Type::q4_1: return &kOf32<Q4_1>;
    case gguf::Type::q5_0: return &kOf32<Q5_0>;
    case gguf::Type::q5_1: return &kOf32<Q5_1>;
    case gguf::Type::q8_0: return &kOf32<Q8_0>;
    case gguf::Type::q4_k: return &kOf256<Q4_K>;
    case gguf::Type::q5_k: return &kOf256<Q5_K>;
    case gguf::Type::q6_k: return &kOf256<Q6_K>;
    default: return nullptr;
  }
}

}  // namespace hearth::cpu::avx2
