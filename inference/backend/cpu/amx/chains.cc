#include "backend/cpu/amx/amx.h"
#include "backend/cpu/amx/tile_registers.h"

namespace hearth::cpu::amx {

uint64_t int8_chain(uint64_t n_rounds) {
  const TileRegisters registers(64);
  for (uint64_t i = 0; i < n_rounds; i++) {
    add_products<0, 0, 0>();
    add_products<1, 0, 1>();
    add_products<2, 1, 0>();
    add_products<3, 1, 1>();
  }
  return n_rounds * 4 * 16 * 16 * 64;
}

}  // namespace hearth::cpu::amx
