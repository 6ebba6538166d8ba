#include "backend/cpu/strips.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/kernels.h"
#include "backend/cpu/ops.h"
#include "gguf/k_scales.h"

namespace hearth::cpu {
namespace {

using gguf::Type;

// One block of each of R rows, and where its strip goes on. By value, so that writing bytes does
// not make the compiler read the pointers again.
template <size_t R>
struct Packing {
  const uint8_t* row[R];
  uint8_t* out;

  template <size_t n_bytes>
  void field(size_t at) {
    for (size_t r = 0; r < R; r++) std::memcpy(out + r * n_bytes, row[r] + at, n_bytes);
    out += R * n_bytes;
  }
  // Reads each row in pieces of 16 bytes.
  void words(size_t at, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes; i += 16, out += 16 * R) {
      for (size_t r = 0; r < R; r++) {
        uint32_t word[4];
        std::memcpy(word, row[r] + at + i, 16);
        for (size_t j = 0; j < 4; j++) std::memcpy(out + 4 * (j * R + r), &word[j], 4);
      }
    }
  }
  // Bit e of the word at `at` becomes bit e / 4 of byte e % 4.
  void fifth_bits(size_t at) {
    for (size_t r = 0; r < R; r++, out += 4) {
      uint32_t bits, moved = 0;
      std::memcpy(&bits, row[r] + at, 4);
      for (int g = 0; g < 8; g++)
        for (int j = 0; j < 4; j++) moved |= (bits >> (4 * g + j) & 1) << (8 * j + g);
      std::memcpy(out, &moved, 4);
    }
  }
  void six_bit_scales(size_t at) {
    for (size_t r = 0; r < R; r++) {
      const gguf::KScales packed = gguf::unpack_k_scales(row[r] + at);
      for (size_t j = 0; j < 8; j++) {
        out[j * R + r] = packed.scale[j];
        out[8 * R + (j / 2 * R + r) * 2 + j % 2] = packed.min[j];
      }
    }
    out += 16 * R;
  }
};

// What a format's block consists of, in the order of the strip.
struct Q4_0 {
  static void pack(auto& p) { p.template field<2>(0), p.words(2, 16); }
};
struct Q4_1 {
  static void pack(auto& p) { p.template field<2>(0), p.template field<2>(2), p.words(4, 16); }
};
struct Q5_0 {
  static void pack(auto& p) { p.template field<2>(0), p.fifth_bits(2), p.words(6, 16); }
};
struct Q5_1 {
  static void pack(auto& p) {
    p.template field<2>(0), p.template field<2>(2), p.fifth_bits(4), p.words(8, 16);
  }
};
struct Q8_0 {
  static void pack(auto& p) { p.template field<2>(0), p.words(2, 32); }
};
struct MXFP4 {
  static void pack(auto& p) { p.template field<1>(0), p.words(1, 16); }
};
struct Q4_K {
  static void pack(auto& p) {
    p.template field<2>(0), p.template field<2>(2), p.six_bit_scales(4), p.words(16, 128);
  }
};
struct Q5_K {
  static void pack(auto& p) {
    p.template field<2>(0), p.template field<2>(2), p.six_bit_scales(4);
    p.words(16, 32), p.words(48, 128);
  }
};
struct Q6_K {
  static void pack(auto& p) {
    p.template field<2>(208);
    for (size_t j = 0; j < 16; j++) p.template field<1>(192 + j);
    p.words(0, 128), p.words(128, 64);
  }
};

template <class Fields, size_t R>
void pack_rows(const uint8_t* from, size_t n_rows, size_t row_bytes, size_t block_bytes,
               uint8_t* strip) {
  Packing<R> packing{.row = {}, .out = strip};
  for (size_t r = 0; r < R; r++) packing.row[r] = from + (r < n_rows ? r : n_rows - 1) * row_bytes;
  for (size_t b = 0; b < row_bytes; b += block_bytes) {
    Packing<R> block = packing;
    Fields::pack(block);
    packing.out = block.out;
    for (const uint8_t*& row : packing.row) row += block_bytes;
  }
}

struct Format {
  Type type;
  size_t bytes_a_row;  // of a block in a strip
  decltype(&pack_rows<Q4_0, 8>) pack_8, pack_16;
};

template <class Fields>
constexpr Format format(Type type, size_t bytes_a_row) {
  return {type, bytes_a_row, pack_rows<Fields, 8>, pack_rows<Fields, 16>};
}

constexpr Format kFormats[] = {
    format<Q4_0>(Type::q4_0, 18),  format<Q4_1>(Type::q4_1, 20),  format<Q5_0>(Type::q5_0, 22),
    format<Q5_1>(Type::q5_1, 24),  format<Q8_0>(Type::q8_0, 34),  format<MXFP4>(Type::mxfp4, 17),
    format<Q4_K>(Type::q4_k, 148), format<Q5_K>(Type::q5_k, 180), format<Q6_K>(Type::q6_k, 210),
};

const Format* format_of(Type type) {
  for (const Format& format : kFormats)
    if (format.type == type) return &format;
  return nullptr;
}

}  // namespace

size_t strip_bytes(Type type, size_t rows, size_t k) {
  if (rows == 1) return gguf::row_bytes(type, k);
  return rows * format_of(type)->bytes_a_row * (k / gguf::traits_of(type).block_size);
}

uint32_t strip_rows_of(Path path, Type type) {
  const Kernels& kernels = kernels_of(path);
  return kernels.quantized(type) != nullptr ? static_cast<uint32_t>(kernels.strip_rows) : 0;
}

size_t strip_bytes(const Matrix& w) { return strip_bytes(w.type, w.strip_rows, w.cols); }

size_t bytes_of(const Matrix& w) {
  if (w.strip_rows == 0) return gguf::row_bytes(w.type, w.cols) * w.rows;
  return (w.rows + w.strip_rows - 1) / w.strip_rows * strip_bytes(w);
}

void pack(const Matrix& w, uint32_t strip_rows, std::byte* to) {
  const Format& format = *format_of(w.type);
  const auto pack_rows = strip_rows == 8 ? format.pack_8 : format.pack_16;
  const size_t block_bytes = gguf::traits_of(w.type).block_bytes;
  const size_t row_bytes = gguf::row_bytes(w.type, w.cols);
  const size_t bytes = strip_bytes(w.type, strip_rows, w.cols);
  for (size_t r = 0; r < w.rows; r += strip_rows, to += bytes)
    pack_rows(reinterpret_cast<const uint8_t*>(w.data) + r * row_bytes,
              std::min<size_t>(strip_rows, w.rows - r), row_bytes, block_bytes,
              reinterpret_cast<uint8_t*>(to));
}

}  // namespace hearth::cpu
