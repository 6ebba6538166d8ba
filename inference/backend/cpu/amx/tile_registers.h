// Tile registers of AMX: 0 to 3 hold sums, 4 and 5 activations, 6 and 7 weights. Their numbers are
// part of the instructions, hence the branches on constants.
// In an anonymous namespace, as all that these folders include (simd/strip_formats.h).
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#if defined(HEARTH_EMULATED_AMX)
#include HEARTH_EMULATED_AMX
#endif

namespace hearth::cpu {
namespace {

// The shapes of the registers: products of 16 columns with 16 rows over so many elements of K, 32
// or 64. While it lives they are in use; the state costs time at each switch of threads.
class TileRegisters {
 public:
  explicit TileRegisters(int k) {
    Shapes shapes;
    for (int i = 0; i < 8; i++) {
      shapes.row_bytes[i] = static_cast<uint16_t>(i == 4 || i == 5 ? k : 64);
      shapes.rows[i] = static_cast<uint8_t>(i > 5 ? k / 4 : 16);
    }
    __asm__ volatile("" ::: "memory");
    _tile_loadconfig(&shapes);
  }
  ~TileRegisters() { _tile_release(); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;

 private:
  struct alignas(64) Shapes {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  };
};

// Registers read memory behind the compiler's back: what was written must be there.
inline void finish_writing() { __asm__ volatile("" ::: "memory"); }

// 16 columns of activations, each with its k bytes together, x_stride bytes apart.
template <int i>
[[gnu::always_inline]] inline void load_x(const uint8_t* x, size_t x_stride) {
  if constexpr (i == 0) _tile_loadd(4, x, x_stride);
  if constexpr (i == 1) _tile_loadd(5, x, x_stride);
}
// k / 4 lines of 64 bytes: four elements of each of 16 rows.
template <int i>
[[gnu::always_inline]] inline void load_w(const uint8_t* w) {
  if constexpr (i == 0) _tile_loadd(6, w, 64);
  if constexpr (i == 1) _tile_loadd(7, w, 64);
}
template <int sum>
[[gnu::always_inline]] inline void clear() {
  if constexpr (sum == 0) _tile_zero(0);
  if constexpr (sum == 1) _tile_zero(1);
  if constexpr (sum == 2) _tile_zero(2);
  if constexpr (sum == 3) _tile_zero(3);
}
// Of signed bytes. The sums that are used: (0, 0, 0), (1, 1, 1), (2, 0, 0) ... as below.
template <int sum, int x, int w>
[[gnu::always_inline]] inline void add_products() {
  if constexpr (sum == 0 && x == 0 && w == 0) _tile_dpbssd(0, 4, 6);
  if constexpr (sum == 1 && x == 1 && w == 1) _tile_dpbssd(1, 5, 7);
  if constexpr (sum == 2 && x == 0 && w == 0) _tile_dpbssd(2, 4, 6);
  if constexpr (sum == 3 && x == 1 && w == 1) _tile_dpbssd(3, 5, 7);
  if constexpr (sum == 1 && x == 0 && w == 1) _tile_dpbssd(1, 4, 7);
  if constexpr (sum == 2 && x == 1 && w == 0) _tile_dpbssd(2, 5, 6);
}
// [16 columns][16 rows]
template <int sum>
[[gnu::always_inline]] inline void store(int32_t* to) {
  if constexpr (sum == 0) _tile_stored(0, to, 64);
  if constexpr (sum == 1) _tile_stored(1, to, 64);
  if constexpr (sum == 2) _tile_stored(2, to, 64);
  if constexpr (sum == 3) _tile_stored(3, to, 64);
}

}  // namespace
}  // namespace hearth::cpu
