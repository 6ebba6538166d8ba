// Products of a strip of sixteen rows with many columns, by AMX. Tests compile this file a second
// time with an emulation of the instructions.
//
// Problem: a tile product makes 16384 multiply-adds in 16 cycles, but its sums are exact integers
// that belong to one block, and only vectors can scale them. Idea: a strip's blocks are unpacked
// once for all columns, which a strip's layout makes easy: what a vector holds, four elements of
// each row, is a line of a tile of weights. Blocks of 32 need their sums scaled one by one. In
// blocks of 256 the scales of the parts are integers, and scale * element fits 13 bits: as high *
// 128 + low, each a byte, the whole block is summed by the tiles, in two registers.
//
// The integers are those of the other paths, and so is the float arithmetic: equal bits.
// Cost: with blocks of 32, two thirds of the time scale sums; loading tiles, products and storing
// take the rest.
#include "backend/cpu/amx/amx.h"
#include "backend/cpu/amx/tile_registers.h"
#include "backend/cpu/avx512/int8_vector.h"
#include "backend/cpu/panel.h"
#include "backend/cpu/simd/strip_formats.h"

namespace hearth::cpu::amx {
namespace {

using V = Avx512;
using Ints = V::Ints;
using Floats = V::Floats;

constexpr size_t kRows = V::kRows, kColumns = kTileColumns;
constexpr size_t kLine = 64;  // of a tile

// Sums of all columns. Only of as many panels as there are, and then written to y.
struct Sums {
  alignas(64) float of[kMostTileColumns][kRows];

  explicit Sums(size_t n_columns) {
    for (size_t c = 0; c < n_columns; c += kColumns)
      __builtin_memset(of[c], 0, kColumns * sizeof of[c]);
  }
};

void store_bytes(uint8_t* to, Ints v) { _mm512_storeu_si512(to, v); }
Ints load_ints(const int32_t* from) { return _mm512_loadu_si512(from); }
Floats load_floats(const float* from) { return _mm512_loadu_ps(from); }

// Asks for the lines of y that a panel's sums will be written to.
void fetch(const float* y, size_t y_stride) {
  for (size_t c = 0; c < kColumns; c++) __builtin_prefetch(y + c * y_stride, 1);
}

void write(const Sums& sums, size_t n_rows, size_t n_columns, float* y, size_t y_stride) {
  for (size_t c = 0; c < n_columns; c++, y += y_stride) {
    if (n_rows == kRows) {
      V::store(y, load_floats(sums.of[c]));
    } else {
      for (size_t r = 0; r < n_rows; r++) y[r] = sums.of[c][r];
    }
  }
}

// --- Blocks of 32 ---

// So many are unpacked, multiplied and scaled in turn: more would leave the first-level cache.
constexpr int kUnit = 8;

struct Unit {
  alignas(64) uint8_t w[kUnit][8][kLine];
  alignas(64) float d[kUnit][kRows], m[kUnit][kRows];
};

template <class Format>
void unpack(const uint8_t* block, size_t n, Unit& unit) {
  for (size_t b = 0; b < n; b++, block += kRows * Format::kBytes) {
    Format::template groups<V>(block, [&]<int i, int g>(Ints w, Int<i>, Int<g>) {
      if constexpr (Format::kOffset != 0) w = _mm512_sub_epi8(w, V::bytes(Format::kOffset));
      store_bytes(unit.w[b][g], w);
    });
    const ScaleAndMin<V> scales = Format::template scales<V>(block);
    V::store(unit.d[b], scales.d);
    V::store(unit.m[b], scales.m);
  }
  finish_writing();
}

// Exact sums of each block. A register is stored three products later, when its sum is there.
void multiply_unit(const Unit& unit, size_t n, const uint8_t* x, int32_t (&sums)[kUnit][256]) {
  constexpr int kLater = 3;
  each<kUnit + kLater>([&]<int b>(Int<b>) {
    if constexpr (b < kUnit) {
      if (b < n) {
        clear<b % 4>();
        load_x<b % 2>(x + b * kColumns * kPanel32.bytes, 32);
        load_w<b % 2>(unit.w[b][0]);
        add_products<b % 4, b % 2, b % 2>();
      }
    }
    if constexpr (b >= kLater) {
      if (b - kLater < n) store<(b - kLater) % 4>(sums[b - kLater]);
    }
  });
}

template <class Format>
void scale_unit(const Unit& unit, size_t n, const uint8_t* x, const int32_t (&isums)[kUnit][256],
                float (*sums)[kRows]) {
  Floats acc[kColumns];
  each<kColumns>([&]<int c>(Int<c>) { acc[c] = load_floats(sums[c]); });
  for (size_t b = 0; b < n; b++, x += kColumns * kPanel32.bytes) {
    const Floats d = load_floats(unit.d[b]), m = load_floats(unit.m[b]);
    each<kColumns>([&]<int c>(Int<c>) {
      const Floats products =
          V::multiply(V::to_floats(load_ints(isums[b] + kRows * c)),
                      V::broadcast_float(x + kColumns * kPanel32.scale + 4 * c));
      acc[c] = V::fma(products, d, acc[c]);
      if constexpr (Format::kHasMin)
        acc[c] = V::fma(m, V::broadcast_float(x + kColumns * kPanel32.scaled_sum + 4 * c), acc[c]);
    });
  }
  each<kColumns>([&]<int c>(Int<c>) { V::store(sums[c], acc[c]); });
}

template <class Format>
void multiply_32(const uint8_t* strip, size_t n_rows, size_t k, const uint8_t* panels,
                 size_t n_columns, float* y, size_t y_stride) {
  const TileRegisters registers(32);
  Sums sums(n_columns);
  alignas(64) int32_t isums[kUnit][256];
  Unit unit;
  const size_t n_blocks = k / 32, panel_bytes = n_blocks * kColumns * kPanel32.bytes;
  for (size_t b = 0; b < n_blocks; b += kUnit) {
    const size_t n = n_blocks - b < kUnit ? n_blocks - b : kUnit;
    unpack<Format>(strip + b * kRows * Format::kBytes, n, unit);
    const uint8_t* x = panels + b * kColumns * kPanel32.bytes;
    for (size_t c = 0; c < n_columns; c += kColumns, x += panel_bytes) {
      if (b + n == n_blocks) fetch(y + c * y_stride, y_stride);
      multiply_unit(unit, n, x, isums);
      scale_unit<Format>(unit, n, x, isums, sums.of + c);
    }
  }
  write(sums, n_rows, n_columns, y, y_stride);
}

// --- Blocks of 256 ---

struct Block {
  alignas(64) uint8_t low[4][16][kLine], high[4][16][kLine];  // of scale * element
  Floats d, minus_dmin;
  Ints minima[4];
};

// The products of two of a word's bytes with its scale, as low seven bits and the rest.
struct Split {
  Ints low, high;
};
template <int offset>
Split split(Ints elements, Ints scale) {
  const Ints product =
      _mm512_mullo_epi16(_mm512_sub_epi16(elements, _mm512_set1_epi16(offset)), scale);
  return {_mm512_and_si512(product, _mm512_set1_epi16(127)), _mm512_srai_epi16(product, 7)};
}

template <class Format>
void unpack(const uint8_t* from, Block& block) {
  const Ints low_byte = _mm512_set1_epi16(255);
  each<256 / Format::kPerScale>([&]<int part>(Int<part>) {
    const Ints one = V::scales(from + kRows * (Format::kScalesAt + part));
    const Ints scale = _mm512_or_si512(_mm512_and_si512(one, _mm512_set1_epi32(0xffff)),
                                       _mm512_slli_epi32(one, 16));
    Format::template groups<V, part>(from, [&]<int i, int g>(Ints w, Int<i>, Int<g>) {
      constexpr int kAt = Format::kPerScale / 4 * part + g;
      const Split even = split<Format::kOffset>(_mm512_and_si512(w, low_byte), scale);
      const Split odd = split<Format::kOffset>(_mm512_srli_epi16(w, 8), scale);
      store_bytes(block.low[kAt / 16][kAt % 16],
                  _mm512_or_si512(even.low, _mm512_slli_epi16(odd.low, 8)));
      store_bytes(
          block.high[kAt / 16][kAt % 16],
          _mm512_or_si512(_mm512_and_si512(even.high, low_byte), _mm512_slli_epi16(odd.high, 8)));
    });
  });
  block.d = V::halves(from);
  if constexpr (Format::kOffset == 0) {
    block.minus_dmin = V::multiply(V::halves(from + 2 * kRows), V::floats(-1));
    for (int pair = 0; pair < 4; pair++)
      block.minima[pair] = V::pairs(from + kRows * (Format::kMinsAt + 2 * pair));
  }
  finish_writing();
}

// Low and high sums of one panel to sums[0] and [1], of a second one to [2] and [3].
template <int n_panels>
void multiply_block(const Block& block, const uint8_t* x, size_t panel_bytes,
                    int32_t (&sums)[4][256]) {
  each<2 * n_panels>([]<int i>(Int<i>) { clear<i>(); });
  for (size_t i = 0; i < 4; i++, x += kColumns * kLine) {
    load_x<0>(x, kLine);
    load_w<0>(block.low[i][0]);
    add_products<0, 0, 0>();
    load_w<1>(block.high[i][0]);
    add_products<1, 0, 1>();
    if constexpr (n_panels == 2) {
      load_x<1>(x + panel_bytes, kLine);
      add_products<2, 1, 0>();
      add_products<3, 1, 1>();
    }
  }
  each<2 * n_panels>([&]<int i>(Int<i>) { store<i>(sums[i]); });
}

template <class Format>
void scale_block(const Block& block, const uint8_t* x, const int32_t* low, const int32_t* high,
                 float (*sums)[kRows]) {
  for (size_t c = 0; c < kColumns; c++) {
    const Floats x_scale = V::broadcast_float(x + kColumns * kPanel256.scale + 4 * c);
    const Ints isum =
        V::add(load_ints(low + kRows * c), _mm512_slli_epi32(load_ints(high + kRows * c), 7));
    Floats sum = V::fma(V::multiply(V::to_floats(isum), x_scale), block.d, load_floats(sums[c]));
    if constexpr (Format::kOffset == 0) {
      Ints minima = V::bytes(0);
      for (size_t pair = 0; pair < 4; pair++)
        minima = V::add_pair_products(
            minima, block.minima[pair],
            V::broadcast_4(x + kColumns * kPanel256.sum_32 + 4 * (kColumns * pair + c)));
      sum = V::fma(V::multiply(V::to_floats(minima), x_scale), block.minus_dmin, sum);
    }
    V::store(sums[c], sum);
  }
}

template <class Format>
void multiply_256(const uint8_t* strip, size_t n_rows, size_t k, const uint8_t* panels,
                  size_t n_columns, float* y, size_t y_stride) {
  const TileRegisters registers(64);
  Sums sums(n_columns);
  alignas(64) int32_t isums[4][256];
  Block block;
  const size_t n_blocks = k / 256, panel_bytes = n_blocks * kColumns * kPanel256.bytes;
  for (size_t b = 0; b < n_blocks; b++, strip += kRows * Format::kBytes) {
    unpack<Format>(strip, block);
    const uint8_t* x = panels + b * kColumns * kPanel256.bytes;
    for (size_t c = 0; c < n_columns; c += 2 * kColumns, x += 2 * panel_bytes) {
      const bool is_pair = c + kColumns < n_columns;
      if (b + 1 == n_blocks) {
        fetch(y + c * y_stride, y_stride);
        if (is_pair) fetch(y + (c + kColumns) * y_stride, y_stride);
      }
      (is_pair ? multiply_block<2> : multiply_block<1>)(block, x, panel_bytes, isums);
      scale_block<Format>(block, x, isums[0], isums[1], sums.of + c);
      if (is_pair)
        scale_block<Format>(block, x + panel_bytes, isums[2], isums[3], sums.of + c + kColumns);
    }
  }
  write(sums, n_rows, n_columns, y, y_stride);
}

}  // namespace

MultiplyTiles tiles(gguf::Type type) {
  switch (type) {
    case gguf::Type::q4_0: return multiply_32<Q4_0>;
    case gguf::Type::q4_1: return multiply_32<Q4_1>;
    case gguf::Type::q5_0: return multiply_32<Q5_0>;
    case gguf::Type::q5_1: return multiply_32<Q5_1>;
    case gguf::Type::q8_0: return multiply_32<Q8_0>;
    case gguf::Type::mxfp4: return multiply_32<MXFP4>;
    case gguf::Type::q4_k: return multiply_256<Q4_K>;
    case gguf::Type::q5_k: return multiply_256<Q5_K>;
    case gguf::Type::q6_k: return multiply_256<Q6_K>;
    default: return nullptr;
  }
}

}  // namespace hearth::cpu::amx
