// The twelve bytes of Q4_K and Q5_K that hold eight 6-bit scales and eight 6-bit mins: bytes 0-3
// and 4-7 hold the first four of each, with the top two bits of the last four above them; bytes
// 8-11 hold the low nibbles of the last four, scale below min.
#pragma once

#include <array>
#include <cstdint>

namespace hearth::gguf {

inline constexpr size_t kScaleBytes = 12;

struct KScales {
  std::array<uint8_t, 8> scale;
  std::array<uint8_t, 8> min;
};

inline KScales unpack_k_scales(const uint8_t* bytes) {
  KScales out;
  for (size_t j = 0; j < 4; ++j) {
    const unsigned a = bytes[j], b = bytes[j + 4], c = bytes[j + 8];
    out.scale[j] = a & 63;
    out.min[j] = b & 63;
    out.scale[j + 4] = static_cast<uint8_t>((c & 15) | a >> 6 << 4);
    out.min[j + 4] = static_cast<uint8_t>(c >> 4 | b >> 6 << 4);
  }
  return out;
}

inline void pack_k_scales(const KScales& in, uint8_t* bytes) {
  for (size_t j = 0; j < 4; ++j) {
    bytes[j] = static_cast<uint8_t>(in.scale[j] | in.scale[j + 4] >> 4 << 6);
    bytes[j + 4] = static_cast<uint8_t>(in.min[j] | in.min[j + 4] >> 4 << 6);
    bytes[j + 8] = static_cast<uint8_t>((in.scale[j + 4] & 15) | in.min[j + 4] << 4);
  }
}

}  // namespace hearth::gguf
