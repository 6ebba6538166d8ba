// The tile instructions that amx/ uses, in plain C++: eight registers for each thread.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include HEARTH_EMULATED_VNNI

namespace emulated_tiles {

struct Register {
  uint16_t row_bytes = 0;
  uint8_t rows = 0;
  uint8_t bytes[16][64] = {};
};

inline Register& tile(int i) {
  thread_local Register registers[8];
  return registers[i];
}

inline void configure(const void* shapes) {
  const auto* from = static_cast<const uint8_t*>(shapes);
  for (int i = 0; i < 8; i++) {
    tile(i) = {};
    std::memcpy(&tile(i).row_bytes, from + 16 + 2 * i, 2);
    tile(i).rows = from[48 + i];
  }
}

inline void release() {
  for (int i = 0; i < 8; i++) tile(i) = {};
}

inline void clear(int i) { std::memset(tile(i).bytes, 0, sizeof tile(i).bytes); }

inline void load(int i, const void* from, size_t stride) {
  clear(i);
  for (size_t row = 0; row < tile(i).rows; row++)
    std::memcpy(tile(i).bytes[row], static_cast<const uint8_t*>(from) + row * stride,
                tile(i).row_bytes);
}

inline void store(int i, void* to, size_t stride) {
  for (size_t row = 0; row < tile(i).rows; row++)
    std::memcpy(static_cast<uint8_t*>(to) + row * stride, tile(i).bytes[row], tile(i).row_bytes);
}

// sum[m][n] += a[m][4 k + j] * b[k][4 n + j], signed bytes
inline void add_products(int sum, int a, int b) {
  for (size_t m = 0; m < tile(sum).rows; m++) {
    for (size_t n = 0; n < tile(sum).row_bytes / 4; n++) {
      int32_t total;
      std::memcpy(&total, tile(sum).bytes[m] + 4 * n, 4);
      for (size_t k = 0; k < tile(a).row_bytes; k++)
        total += static_cast<int8_t>(tile(a).bytes[m][k]) *
                 static_cast<int8_t>(tile(b).bytes[k / 4][4 * n + k % 4]);
      std::memcpy(tile(sum).bytes[m] + 4 * n, &total, 4);
    }
  }
}

}  // namespace emulated_tiles

// NOLINTBEGIN: the names of the instructions
#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbssd
#define _tile_loadconfig(shapes) emulated_tiles::configure(shapes)
#define _tile_release() emulated_tiles::release()
#define _tile_zero(i) emulated_tiles::clear(i)
#define _tile_loadd(i, from, stride) emulated_tiles::load(i, from, stride)
#define _tile_stored(i, to, stride) emulated_tiles::store(i, to, stride)
#define _tile_dpbssd(sum, a, b) emulated_tiles::add_products(sum, a, b)
// NOLINTEND
