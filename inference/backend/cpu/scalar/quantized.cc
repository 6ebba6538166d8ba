// Dot products of quantized rows as they lie in the file: unpack a block's integers, multiply
// exactly, scale once (kernels.h).
#include <cmath>
#include <cstring>

#include "backend/cpu/scalar/scalar.h"
#include "gguf/half.h"
#include "gguf/k_scales.h"

namespace hearth::cpu::scalar {
namespace {

using gguf::load_f16;

// --- Blocks of 32: w = d * q + m ---

struct Block32 {
  float d = 0;
  float m = 0;
  int32_t q[32];
};

// Byte j holds element j (low nibble) and element j + 16 (high nibble).
void read_nibbles(const uint8_t* qs, Block32& out) {
  for (size_t j = 0; j < 16; j++) {
    out.q[j] = qs[j] & 15;
    out.q[j + 16] = qs[j] >> 4;
  }
}

// Bit j of the four bytes is the fifth bit of element j.
void read_fifth_bits(const uint8_t* qh, Block32& out) {
  for (size_t j = 0; j < 32; j++) out.q[j] |= (qh[j / 8] >> (j % 8) & 1) << 4;
}

// w = d * (q - offset)
void subtract(int32_t offset, Block32& out) {
  for (int32_t& q : out.q) q -= offset;
}

struct Q4_0 {
  static constexpr size_t kBytes = 18;
  static constexpr bool kHasMin = false;
  static void read(const uint8_t* block, Block32& out) {
    out.d = load_f16(block);
    read_nibbles(block + 2, out);
    subtract(8, out);
  }
};

struct Q4_1 {
  static constexpr size_t kBytes = 20;
  static constexpr bool kHasMin = true;
  static void read(const uint8_t* block, Block32& out) {
    out.d = load_f16(block);
    out.m = load_f16(block + 2);
    read_nibbles(block + 4, out);
  }
};

struct Q5_0 {
  static constexpr size_t kBytes = 22;
  static constexpr bool kHasMin = false;
  static void read(const uint8_t* block, Block32& out) {
    out.d = load_f16(block);
    read_nibbles(block + 6, out);
    read_fifth_bits(block + 2, out);
    subtract(16, out);
  }
};

struct Q5_1 {
  static constexpr size_t kBytes = 24;
  static constexpr bool kHasMin = true;
  static void read(const uint8_t* block, Block32& out) {
    out.d = load_f16(block);
    out.m = load_f16(block + 2);
    read_nibbles(block + 8, out);
    read_fifth_bits(block + 4, out);
  }
};

struct Q8_0 {
  static constexpr size_t kBytes = 34;
  static constexpr bool kHasMin = false;
  static void read(const uint8_t* block, Block32& out) {
    out.d = load_f16(block);
    for (size_t j = 0; j < 32; j++) out.q[j] = static_cast<int8_t>(block[2 + j]);
  }
};

// Doubled values of the codes.
struct MXFP4 {
  static constexpr size_t kBytes = 17;
  static constexpr bool kHasMin = false;
  static void read(const uint8_t* block, Block32& out) {
    constexpr int32_t kValues[] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    out.d = std::ldexp(1.0f, block[0] - 128);
    read_nibbles(block + 1, out);
    for (int32_t& q : out.q) q = kValues[q];
  }
};

template <class T>
T get(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Element i of a column of a panel with n columns.
int32_t q_of(const uint8_t* block, size_t n, size_t column, size_t i) {
  return static_cast<int8_t>(block[(i / 4 * n + column) * 4 + i % 4]);
}

template <class Format>
void multiply_32(const uint8_t* row, size_t k, const uint8_t* panel, size_t n, float* y,
                 size_t y_stride) {
  for (size_t c = 0; c < n; c++) {
    float sum = 0;
    const uint8_t* x = panel;
    for (size_t b = 0; b < k / 32; b++, x += n * kPanel32.bytes) {
      Block32 w;
      Format::read(row + b * Format::kBytes, w);
      int32_t isum = 0;
      for (size_t j = 0; j < 32; j++) isum += w.q[j] * q_of(x, n, c, j);
      const auto scale = get<float>(x + n * kPanel32.scale + 4 * c);
      sum = std::fma(static_cast<float>(isum) * scale, w.d, sum);
      if (Format::kHasMin)
        sum = std::fma(w.m, get<float>(x + n * kPanel32.scaled_sum + 4 * c), sum);
    }
    y[c * y_stride] = sum;
  }
}

// --- Blocks of 256: w = d * scale * q - dmin * min, scale and min per 16 or 32 elements ---

struct Block256 {
  float d = 0;
  float dmin = 0;
  int32_t q[256];
  int32_t scale[16];  // per 16 elements
  int32_t min[8];     // per 32 elements
};

void read_k_scales(const uint8_t* block, Block256& out) {
  const gguf::KScales packed = gguf::unpack_k_scales(block + 4);
  out.d = load_f16(block);
  out.dmin = load_f16(block + 2);
  for (size_t j = 0; j < 8; j++) {
    out.scale[2 * j] = out.scale[2 * j + 1] = packed.scale[j];
    out.min[j] = packed.min[j];
  }
}

// Chunk c of 32 bytes holds elements 64c.. (low nibbles) and 64c + 32.. (high nibbles).
void read_k_nibbles(const uint8_t* qs, Block256& out) {
  for (size_t c = 0; c < 4; c++) {
    for (size_t j = 0; j < 32; j++) {
      out.q[64 * c + j] = qs[32 * c + j] & 15;
      out.q[64 * c + 32 + j] = qs[32 * c + j] >> 4;
    }
  }
}

struct Q4_K {
  static constexpr size_t kBytes = 144;
  static constexpr bool kHasMin = true;
  static void read(const uint8_t* block, Block256& out) {
    read_k_scales(block, out);
    read_k_nibbles(block + 16, out);
  }
};

struct Q5_K {
  static constexpr size_t kBytes = 176;
  static constexpr bool kHasMin = true;
  static void read(const uint8_t* block, Block256& out) {
    read_k_scales(block, out);
    read_k_nibbles(block + 48, out);
    for (size_t i = 0; i < 256; i++) out.q[i] |= (block[16 + i % 32] >> (i / 32) & 1) << 4;
  }
};

struct Q6_K {
  static constexpr size_t kBytes = 210;
  static constexpr bool kHasMin = false;
  static void read(const uint8_t* block, Block256& out) {
    out.d = load_f16(block + 208);
    for (size_t j = 0; j < 16; j++) out.scale[j] = static_cast<int8_t>(block[192 + j]);
    for (size_t i = 0; i < 256; i++) {
      const size_t half = i / 128, part = i % 128 / 32, l = i % 32;
      const uint8_t low = block[64 * half + 32 * (part % 2) + l];
      const uint8_t high = block[128 + 32 * half + l];
      const int32_t nibble = part < 2 ? low & 15 : low >> 4;
      out.q[i] = (nibble | (high >> (2 * part) & 3) << 4) - 32;
    }
  }
};

template <class Format>
void multiply_256(const uint8_t* row, size_t k, const uint8_t* panel, size_t n, float* y,
                  size_t y_stride) {
  for (size_t c = 0; c < n; c++) {
    float sum = 0;
    const uint8_t* x = panel;
    for (size_t b = 0; b < k / 256; b++, x += n * kPanel256.bytes) {
      Block256 w;
      Format::read(row + b * Format::kBytes, w);
      int32_t isum = 0;
      for (size_t i = 0; i < 256; i++) isum += w.scale[i / 16] * w.q[i] * q_of(x, n, c, i);
      const auto scale = get<float>(x + n * kPanel256.scale + 4 * c);
      sum = std::fma(static_cast<float>(isum) * scale, w.d, sum);
      if (!Format::kHasMin) continue;
      int32_t msum = 0;
      const uint8_t* sum_32 = x + n * kPanel256.sum_32;
      for (size_t j = 0; j < 8; j++)
        msum += w.min[j] * get<int16_t>(sum_32 + 2 * ((j / 2 * n + c) * 2 + j % 2));
      sum = std::fma(static_cast<float>(msum) * scale, -w.dmin, sum);
    }
    y[c * y_stride] = sum;
  }
}

template <class Format>
constexpr QuantKernels kOf32 = {ActivationBlock::of_32, multiply_32<Format>};
template <class Format>
constexpr QuantKernels kOf256 = {ActivationBlock::of_256, multiply_256<Format>};

}  // namespace

const QuantKernels* quantized(gguf::Type type) {
  switch (type) {
    case gguf::Type::q4_0: return &kOf32<Q4_0>;
    case gguf::Type::q4_1: return &kOf32<Q4_1>;
    case gguf::Type::q5_0: return &kOf32<Q5_0>;
    case gguf::Type::q5_1: return &kOf32<Q5_1>;
    case gguf::Type::q8_0: return &kOf32<Q8_0>;
    case gguf::Type::mxfp4: return &kOf32<MXFP4>;
    case gguf::Type::q4_k: return &kOf256<Q4_K>;
    case gguf::Type::q5_k: return &kOf256<Q5_K>;
    case gguf::Type::q6_k: return &kOf256<Q6_K>;
    default: return nullptr;
  }
}

}  // namespace hearth::cpu::scalar
