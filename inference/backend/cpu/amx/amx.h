// The AMX path: AVX-512 with tiles of int8 for many columns. Where it pays: a tile product is ten
// times as fast as VNNI, but what scales its sums is not, so blocks of 32 gain less than k-quants.
#pragma once

#include "backend/cpu/kernels.h"

namespace hearth::cpu::amx {

MultiplyTiles tiles(gguf::Type type);

uint64_t int8_chain(uint64_t n_rounds);

}  // namespace hearth::cpu::amx
