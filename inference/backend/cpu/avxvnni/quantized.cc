// Tests compile this file a second time with an emulation of the instruction.
#include "backend/cpu/avx2/int8_vector.h"
#include "backend/cpu/avxvnni/avxvnni.h"
#include "backend/cpu/simd/strip_products.h"

#if defined(HEARTH_EMULATED_VNNI)
#include HEARTH_EMULATED_VNNI
#endif

namespace hearth::cpu::avxvnni {
namespace {

struct AvxVnni : Avx2 {
  static constexpr bool kSumsInInt16 = false;
  static Partial products(Ints w, Ints x) { return add_products(_mm256_setzero_si256(), w, x); }
  static Partial add_products(Partial sum, Ints w, Ints x) {
    return _mm256_dpbusd_avx_epi32(sum, w, x);
  }
  static Ints widen(Partial sum) { return sum; }
  static Ints scaled(Partial sum, Ints scale) { return _mm256_mullo_epi32(sum, scale); }
  static Ints scales(const uint8_t* from) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  }
};

}  // namespace

const QuantKernels* quantized(gguf::Type type) { return strip_kernels<AvxVnni>(type); }

}  // namespace hearth::cpu::avxvnni
