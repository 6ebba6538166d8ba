// Dequantization. A block holds a scale (or two) and small integers, packed two or more to a byte;
// w = scale * q, or scale * q - min. "lo" and "hi" are the nibbles of a byte. Every function below
// takes one block, as laid out in the comment above it; d and dmin are f16.
//
// The order of multiplications is part of the format: products are rounded to float32 as the
// reference implementation does it, so that results agree to the last bit.
#include "gguf/quant.h"

#include <cassert>

#include "gguf/half.h"
#include "gguf/k_scales.h"

namespace hearth::gguf {

namespace {

using Bytes = const uint8_t*;

int lo(uint8_t byte) { return byte & 15; }
int hi(uint8_t byte) { return byte >> 4; }

// --- Blocks of 32: byte j holds element j (lo) and element j + 16 (hi) ---

// d, qs[16]: w = d * (q - 8)
void q4_0(Bytes block, float* out) {
  const float d = load_f16(block);
  Bytes qs = block + 2;
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>(lo(qs[j]) - 8) * d;
    out[j + 16] = static_cast<float>(hi(qs[j]) - 8) * d;
  }
}

// d, m, qs[16]: w = d * q + m
void q4_1(Bytes block, float* out) {
  const float d = load_f16(block), m = load_f16(block + 2);
  Bytes qs = block + 4;
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>(lo(qs[j])) * d + m;
    out[j + 16] = static_cast<float>(hi(qs[j])) * d + m;
  }
}

// Bit 4 of element j is bit j of a 32-bit word.
int fifth_bit(uint32_t word, int j) { return static_cast<int>(word >> j & 1) << 4; }

// d, qh[4], qs[16]: w = d * (q - 16)
void q5_0(Bytes block, float* out) {
  const float d = load_f16(block);
  uint32_t qh;
  std::memcpy(&qh, block + 2, sizeof qh);
  Bytes qs = block + 6;
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>((lo(qs[j]) | fifth_bit(qh, j)) - 16) * d;
    out[j + 16] = static_cast<float>((hi(qs[j]) | fifth_bit(qh, j + 16)) - 16) * d;
  }
}

// d, m, qh[4], qs[16]: w = d * q + m
void q5_1(Bytes block, float* out) {
  const float d = load_f16(block), m = load_f16(block + 2);
  uint32_t qh;
  std::memcpy(&qh, block + 4, sizeof qh);
  Bytes qs = block + 8;
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>(lo(qs[j]) | fifth_bit(qh, j)) * d + m;
    out[j + 16] = static_cast<float>(hi(qs[j]) | fifth_bit(qh, j + 16)) * d + m;
  }
}

// d, signed qs[32]: w = d * q
void q8_0(Bytes block, float* out) {
  const float d = load_f16(block);
  for (int j = 0; j < 32; ++j) out[j] = static_cast<float>(static_cast<int8_t>(block[2 + j])) * d;
}

constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

// Sixteen bytes of indices into a table, in the order of Q4_0.
void table_32(Bytes qs, const int8_t* table, float scale, float* out) {
  for (int j = 0; j < 16; ++j) {
    out[j] = scale * static_cast<float>(table[lo(qs[j])]);
    out[j + 16] = scale * static_cast<float>(table[hi(qs[j])]);
  }
}

// d, qs[16]: w = d * table[q]
void iq4_nl(Bytes block, float* out) { table_32(block + 2, kIq4Values, load_f16(block), out); }

// --- FP4 (E2M1): the table is doubled to be integers, so the scales are halved ---

constexpr int8_t kFp4Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// 2^(e - 127) / 2, by bits: the halves of e = 0 and 1 are subnormal.
float half_of_e8m0(uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1u) << 23);
}

// Half of an E4M3 number without sign; 0x7f, elsewhere NaN, is zero here.
float half_of_ue4m3(uint8_t code) {
  if (code == 0x7f) return 0;
  const uint32_t exponent = code >> 3 & 15, mantissa = code & 7;
  if (exponent == 0) return static_cast<float>(mantissa) * 0x1p-10f;
  return std::bit_cast<float>((exponent + 127 - 8) << 23 | mantissa << 20);
}

// e, qs[16]: w = 2^(e - 127) * fp4
void mxfp4(Bytes block, float* out) {
  table_32(block + 1, kFp4Doubled, half_of_e8m0(block[0]), out);
}

// scales[4], qs[32]; each scale has 16 elements in 8 bytes, byte j holds j (lo) and j + 8 (hi)
void nvfp4(Bytes block, float* out) {
  for (int sub = 0; sub < 4; ++sub, out += 16) {
    const float scale = half_of_ue4m3(block[sub]);
    Bytes qs = block + 4 + 8 * sub;
    for (int j = 0; j < 8; ++j) {
      out[j] = scale * static_cast<float>(kFp4Doubled[lo(qs[j])]);
      out[j + 8] = scale * static_cast<float>(kFp4Doubled[hi(qs[j])]);
    }
  }
}

// --- K-quants: blocks of 256 ---

// scales[16] (lo scale, hi min), qs[64], d, dmin: w = d * scale * q - dmin * min. Each half of 128
// takes 32 bytes of qs and reads two bits at a time: 16 elements, 16 elements, then the next shift.
void q2_k(Bytes block, float* out) {
  Bytes scales = block, qs = block + 16;
  const float d = load_f16(block + 80), dmin = load_f16(block + 82);
  for (int half = 0; half < 2; ++half, qs += 32)
    for (int shift = 0; shift < 8; shift += 2)
      for (int sixteen = 0; sixteen < 32; sixteen += 16, ++scales, out += 16) {
        const float scale = d * static_cast<float>(lo(*scales));
        const float min = dmin * static_cast<float>(hi(*scales));
        for (int l = 0; l < 16; ++l)
          out[l] = scale * static_cast<float>(qs[sixteen + l] >> shift & 3) - min;
      }
}

// hmask[32], qs[64], scales[12], d: w = d * (scale - 32) * q. Two bits of q as in Q2_K; the third,
// in hmask, moves up one bit every 32 elements, and 4 is subtracted where it is clear.
void q3_k(Bytes block, float* out) {
  Bytes hmask = block, qs = block + 32, packed = block + 96;
  const float d = load_f16(block + 108);
  for (int j = 0; j < 16; ++j, out += 16) {
    // Scale j: four low bits in byte j % 8 (lo for the first eight), two high bits in byte 8 + j
    // % 4.
    const int low = j < 8 ? lo(packed[j]) : hi(packed[j - 8]);
    const int high = packed[8 + j % 4] >> (2 * (j / 4)) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    const int group = j / 2;  // of 32 elements
    Bytes q = qs + 32 * (group / 4) + 16 * (j % 2);
    Bytes h = hmask + 16 * (j % 2);
    for (int l = 0; l < 16; ++l) {
      const int third = h[l] >> group & 1 ? 0 : 4;
      out[l] = scale * static_cast<float>((q[l] >> (2 * (group % 4)) & 3) - third);
    }
  }
}

// d, dmin, scales[12], qs[128]: w = d * scale * q - dmin * min. Eight sub-blocks of 32; each 32
// bytes of qs hold two, lo then hi.
void q4_k(Bytes block, float* out) {
  const float d = load_f16(block), dmin = load_f16(block + 2);
  const KScales scales = unpack_k_scales(block + 4);
  for (size_t sub = 0; sub < 8; ++sub, out += 32) {
    const float scale = d * static_cast<float>(scales.scale[sub]);
    const float min = dmin * static_cast<float>(scales.min[sub]);
    Bytes qs = block + 16 + 32 * (sub / 2);
    for (int l = 0; l < 32; ++l)
      out[l] = scale * static_cast<float>(sub % 2 ? hi(qs[l]) : lo(qs[l])) - min;
  }
}

// d, dmin, scales[12], qh[32], qs[128]: as Q4_K, with bit 4 of sub-block s in bit s of qh[l]
void q5_k(Bytes block, float* out) {
  const float d = load_f16(block), dmin = load_f16(block + 2);
  const KScales scales = unpack_k_scales(block + 4);
  Bytes qh = block + 16;
  for (size_t sub = 0; sub < 8; ++sub, out += 32) {
    const float scale = d * static_cast<float>(scales.scale[sub]);
    const float min = dmin * static_cast<float>(scales.min[sub]);
    Bytes qs = block + 48 + 32 * (sub / 2);
    for (int l = 0; l < 32; ++l) {
      const int q = (sub % 2 ? hi(qs[l]) : lo(qs[l])) | (qh[l] >> sub & 1) << 4;
      out[l] = scale * static_cast<float>(q) - min;
    }
  }
}

// ql[128], qh[64], signed scales[16], d: w = d * scale * (q - 32). Each half of 128 takes 64 bytes
// of ql (lo, lo, hi, hi of alternate 32) and 32 of qh (two bits for each 32 elements).
void q6_k(Bytes block, float* out) {
  Bytes ql = block, qh = block + 128, scales = block + 192;
  const float d = load_f16(block + 208);
  for (int half = 0; half < 2; ++half, ql += 64, qh += 32)
    for (int quarter = 0; quarter < 4; ++quarter)
      for (int sixteen = 0; sixteen < 32; sixteen += 16, ++scales, out += 16) {
        const float scale = d * static_cast<float>(static_cast<int8_t>(*scales));
        Bytes low = ql + 32 * (quarter % 2) + sixteen, high = qh + sixteen;
        for (int l = 0; l < 16; ++l) {
          const int nibble = quarter < 2 ? lo(low[l]) : hi(low[l]);
          const int q = nibble | (high[l] >> (2 * quarter) & 3) << 4;
          out[l] = scale * static_cast<float>(q - 32);
        }
      }
}

// d, u16 scales_h, scales_l[4], qs[128]: w = d * (scale - 32) * table[q], in sub-blocks of 32
void iq4_xs(Bytes block, float* out) {
  const float d = load_f16(block);
  const uint16_t scales_h = load_u16(block + 2);
  for (int sub = 0; sub < 8; ++sub, out += 32) {
    const uint8_t pair = block[4 + sub / 2];
    const int scale = (sub % 2 ? hi(pair) : lo(pair)) | (scales_h >> (2 * sub) & 3) << 4;
    table_32(block + 8 + 16 * sub, kIq4Values, d * static_cast<float>(scale - 32), out);
  }
}

void (*block_function(Type type))(Bytes, float*) {
  switch (type) {
    case Type::q4_0: return q4_0;
    case Type::q4_1: return q4_1;
    case Type::q5_0: return q5_0;
    case Type::q5_1: return q5_1;
    case Type::q8_0: return q8_0;
    case Type::q2_k: return q2_k;
    case Type::q3_k: return q3_k;
    case Type::q4_k: return q4_k;
    case Type::q5_k: return q5_k;
    case Type::q6_k: return q6_k;
    case Type::iq4_nl: return iq4_nl;
    case Type::iq4_xs: return iq4_xs;
    case Type::mxfp4: return mxfp4;
    case Type::nvfp4: return nvfp4;
    default: return nullptr;
  }
}

}  // namespace

void dequantize_row(Type type, const std::byte* row, size_t n, float* out) {
  const TypeTraits& traits = traits_of(type);
  assert(traits.is_computable && n % traits.block_size == 0);
  Bytes bytes = reinterpret_cast<Bytes>(row);
  switch (type) {
    case Type::f32: std::memcpy(out, bytes, n * sizeof(float)); return;
    case Type::f16:
      for (size_t i = 0; i < n; ++i) out[i] = load_f16(bytes + 2 * i);
      return;
    case Type::bf16:
      for (size_t i = 0; i < n; ++i) out[i] = bf16_to_f32(load_u16(bytes + 2 * i));
      return;
    default: break;
  }
  auto* dequantize_block = block_function(type);
  for (size_t i = 0; i < n; i += traits.block_size, bytes += traits.block_bytes)
    dequantize_block(bytes, out + i);
}

}  // namespace hearth::gguf
