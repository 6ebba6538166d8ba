#include "backend/cpu/kernels.h"

#include "backend/cpu/amx/amx.h"
#include "backend/cpu/avx2/avx2.h"
#include "backend/cpu/avx512/avx512.h"
#include "backend/cpu/avxvnni/avxvnni.h"
#include "backend/cpu/scalar/scalar.h"

namespace hearth::cpu {
namespace {

MultiplyTiles no_tiles(gguf::Type) { return nullptr; }

// Which formats `quantized` knows: scalar/quantized.cc and simd/strip_products.h.
constexpr Kernels kScalar = {
    .strip_rows = 1,
    .quantize_32 = scalar::quantize_32,
    .quantize_256 = scalar::quantize_256,
    .quantized = scalar::quantized,
    .tiles = no_tiles,
    .dot_f32 = scalar::dot_f32,
    .dot_f16 = scalar::dot_f16,
    .dot_bf16 = scalar::dot_bf16,
    .silu_mul = scalar::silu_mul,
    .gelu_mul = scalar::gelu_mul,
    .gpt_oss_mul = scalar::gpt_oss_mul,
    .softmax_tile = scalar::softmax_tile,
    .score = scalar::score,
    .weighted_sum = scalar::weighted_sum,
    .pair_products = scalar::pair_products,
    .softmax_ints = scalar::softmax_ints,
    .add_page = scalar::add_page,
    .keys_to_ints = scalar::keys_to_ints,
    .values_to_ints = scalar::values_to_ints,
    .int8_chain = scalar::int8_chain,
    .f32_chain = scalar::f32_chain,
};

#if defined(__x86_64__)
constexpr Kernels kAvx2 = {
    .strip_rows = 8,
    .quantize_32 = avx2::quantize_32,
    .quantize_256 = avx2::quantize_256,
    .quantized = avx2::quantized,
    .tiles = no_tiles,
    .dot_f32 = avx2::dot_f32,
    .dot_f16 = avx2::dot_f16,
    .dot_bf16 = avx2::dot_bf16,
    .silu_mul = avx2::silu_mul,
    .gelu_mul = avx2::gelu_mul,
    .gpt_oss_mul = avx2::gpt_oss_mul,
    .softmax_tile = avx2::softmax_tile,
    .score = avx2::score,
    .weighted_sum = avx2::weighted_sum,
    .pair_products = avx2::pair_products,
    .softmax_ints = avx2::softmax_ints,
    .add_page = avx2::add_page,
    .keys_to_ints = avx2::keys_to_ints,
    .values_to_ints = avx2::values_to_ints,
    .int8_chain = avx2::int8_chain,
    .f32_chain = avx2::f32_chain,
};

constexpr Kernels with_avxvnni(Kernels kernels) {
  kernels.quantized = avxvnni::quantized;
  kernels.int8_chain = avxvnni::int8_chain;
  return kernels;
}
constexpr Kernels kAvxVnni = with_avxvnni(kAvx2);

constexpr Kernels with_avx512(Kernels kernels) {
  kernels.strip_rows = 16;
  kernels.quantized = avx512::quantized;
  kernels.score = avx512::score;
  kernels.weighted_sum = avx512::weighted_sum;
  kernels.pair_products = avx512::pair_products;
  kernels.softmax_ints = avx512::softmax_ints;
  kernels.add_page = avx512::add_page;
  kernels.keys_to_ints = avx512::keys_to_ints;
  kernels.values_to_ints = avx512::values_to_ints;
  kernels.int8_chain = avx512::int8_chain;
  return kernels;
}
constexpr Kernels kAvx512 = with_avx512(kAvx2);

constexpr Kernels with_amx(Kernels kernels) {
  kernels.tiles = amx::tiles;
  kernels.int8_chain = amx::int8_chain;
  return kernels;
}
constexpr Kernels kAmx = with_amx(kAvx512);
#endif

}  // namespace

const Kernels& kernels_of(Path path) {
  switch (path) {
#if defined(__x86_64__)
    case Path::avx2: return kAvx2;
    case Path::avxvnni: return kAvxVnni;
    case Path::avx512: return kAvx512;
    case Path::amx: return kAmx;
#endif
    default: return kScalar;
  }
}

}  // namespace hearth::cpu
