// Products of a strip of weights with a panel of activations, for any width V of vectors.
//
// Problem: decoding is bound by memory, reading a prompt by instructions. Idea: a vector of the
// strip has four consecutive elements of each row; four bytes of x, broadcast, multiply it. A lane
// is a row, so nothing is ever summed across lanes, and float work is once per block for all rows
// of the strip. The columns of the panel share what unpacking a block costs, which makes one kernel
// serve both: with one column it keeps up with memory, with six nearly all that is left is the
// multiplication itself. AVX2 keeps sums in int16 as long as the format's range allows.
// Cost: with six columns about 2.3 instructions per 32 products on AVX2.
// Source: the interleaved layouts of llama.cpp and ik_llama.cpp, here the same for one column and
// many.
#pragma once

#include "backend/cpu/panel.h"
#include "backend/cpu/simd/strip_formats.h"

namespace hearth::cpu {
namespace {

// How many products of an element up to `max` and an int8, added in pairs, fit an int16 sum.
constexpr int fold_of(int max) {
  if (max == 0) return 1;
  const int n = 32767 / (2 * 127 * max);
  return n >= 8 ? 8 : n >= 4 ? 4 : 2;
}

// From 128 times something to `offset` times it.
constexpr int shift_to(int offset) { return offset == 128 ? 0 : 1 + shift_to(2 * offset); }

// Asks for what lies ahead of a block, a block's worth at a time: the hardware alone fetches too
// late to use all of memory's bandwidth. A whole panel is not bound by memory.
template <int n, size_t block_bytes>
[[gnu::always_inline]] inline void fetch_ahead(const uint8_t* block) {
  constexpr size_t kAhead = 4096, kCacheLine = 64;
  if constexpr (n < static_cast<int>(kPanelColumns)) {
    for (size_t i = 0; i < block_bytes; i += kCacheLine) __builtin_prefetch(block + kAhead + i);
  }
}

// Integer sums for n columns.
template <class V, int n>
struct Sums {
  typename V::Partial partial[n];  // since the last widening
  typename V::Ints sum[n];
};

// Adds the i-th vector of a part of a block, elements 4 g.. of that part, whose x begins at `x`.
// Every kFold-th time partial sums are widened into the sums.
template <class V, int kMax, int kFold, int n, int i, int g, class Widen>
[[gnu::always_inline]] inline void add_group(Sums<V, n>& sums, typename V::Ints w, const uint8_t* x,
                                             Int<i>, Int<g>, const Widen& widen) {
  for (int c = 0; c < n; c++) {
    const typename V::Ints column = V::broadcast_4(x + 4 * (n * g + c));
    if constexpr (kMax == 0 && V::kSumsInInt16) {
      sums.partial[c] = V::signed_products(w, column);
    } else if constexpr (i % kFold == 0) {
      sums.partial[c] = V::products(w, column);
    } else {
      sums.partial[c] = V::add_products(sums.partial[c], w, column);
    }
    if constexpr (i % kFold == kFold - 1) sums.sum[c] = V::add(sums.sum[c], widen(sums.partial[c]));
  }
}

template <class V, class Format, int n>
void multiply_32(const uint8_t* block, size_t k, const uint8_t* x, float* y, size_t y_stride) {
  [[maybe_unused]] constexpr int kFold = V::kSumsInInt16 ? fold_of(Format::kMax) : 8;
  // Without a signed instruction, 128 is added to signed weights, and taken from their sums.
  constexpr bool kIsMoved = Format::kMax == 0 && !V::kSumsInInt16;
  constexpr int kOffset = kIsMoved ? 128 : Format::kOffset;
  typename V::Floats acc[n];
  for (auto& a : acc) a = V::zeros();
  for (size_t b = 0; b < k / 32; b++) {
    fetch_ahead<n, V::kRows * Format::kBytes>(block);
    Sums<V, n> sums;
    for (int c = 0; c < n; c++) {
      sums.sum[c] = V::bytes(0);
      if constexpr (kOffset != 0)
        sums.sum[c] = V::template shift_right_signed<shift_to(kOffset)>(
            V::broadcast_4(x + n * kPanel32.offset_128 + 4 * c));
    }
    Format::template groups<V>(block, [&]<int i, int g>(typename V::Ints w, Int<i>, Int<g>) {
      if constexpr (kIsMoved) w = V::bits_xor(w, V::bytes(128));
      if constexpr (V::kSumsInInt16) {
        add_group<V, Format::kMax, kFold>(sums, w, x, Int<i>{}, Int<g>{},
                                          [](typename V::Partial p) { return V::widen(p); });
      } else {
        for (int c = 0; c < n; c++)
          sums.sum[c] = V::add_products(sums.sum[c], w, V::broadcast_4(x + 4 * (n * g + c)));
      }
    });
    const ScaleAndMin<V> weight = Format::template scales<V>(block);
    for (int c = 0; c < n; c++) {
      const typename V::Floats products = V::multiply(
          V::to_floats(sums.sum[c]), V::broadcast_float(x + n * kPanel32.scale + 4 * c));
      acc[c] = V::fma(products, weight.d, acc[c]);
      if constexpr (Format::kHasMin) {
        const typename V::Floats x_sum = V::broadcast_float(x + n * kPanel32.scaled_sum + 4 * c);
        acc[c] = V::fma(weight.m, x_sum, acc[c]);
      }
    }
    block += V::kRows * Format::kBytes;
    x += n * kPanel32.bytes;
  }
  for (int c = 0; c < n; c++) V::store(y + c * y_stride, acc[c]);
}

// The scaled sums of all parts of a block.
template <class V, class Format, int n>
[[gnu::always_inline]] inline void add_parts(const uint8_t* block, const uint8_t* x,
                                             Sums<V, n>& sums) {
  constexpr int kGroups = Format::kPerScale / 4;
  constexpr int kMost = V::kSumsInInt16 ? fold_of(Format::kMax) : 8;
  constexpr int kFold = kMost < kGroups ? kMost : kGroups;
  each<256 / Format::kPerScale>([&]<int part>(Int<part>) {
    const typename V::Ints scale = V::scales(block + V::kRows * (Format::kScalesAt + part));
    const uint8_t* x_part = x + n * Format::kPerScale * part;
    Format::template groups<V, part>(block, [&]<int i, int g>(typename V::Ints w, Int<i>, Int<g>) {
      add_group<V, Format::kMax, kFold>(sums, w, x_part, Int<i>{}, Int<g>{},
                                        [&](typename V::Partial p) { return V::scaled(p, scale); });
    });
  });
}

// Pairs of minima with pairs of sums of x.
template <class V, class Format, int n>
inline void add_minima(const uint8_t* block, const uint8_t* x, typename V::Ints (&sum)[n]) {
  for (int c = 0; c < n; c++) sum[c] = V::bytes(0);
  for (int pair = 0; pair < 4; pair++) {
    const typename V::Ints minima = V::pairs(block + V::kRows * (Format::kMinsAt + 2 * pair));
    for (int c = 0; c < n; c++) {
      const typename V::Ints sums_of_x =
          V::broadcast_4(x + n * kPanel256.sum_32 + 4 * (n * pair + c));
      sum[c] = V::add_pair_products(sum[c], minima, sums_of_x);
    }
  }
}

// Takes away kOffset = 32 times the scales with the sums of x.
template <class V, class Format, int n>
inline void subtract_offsets(const uint8_t* block, const uint8_t* x, typename V::Ints (&sum)[n]) {
  typename V::Ints offsets[n];
  for (int c = 0; c < n; c++) offsets[c] = V::bytes(0);
  for (int pair = 0; pair < 8; pair++) {
    const typename V::Ints scales =
        V::signed_pairs(block + V::kRows * (Format::kScalesAt + 2 * pair));
    for (int c = 0; c < n; c++) {
      const typename V::Ints sums_of_x =
          V::broadcast_4(x + n * kPanel256.sum_16 + 4 * (n * pair + c));
      offsets[c] = V::add_pair_products(offsets[c], scales, sums_of_x);
    }
  }
  for (int c = 0; c < n; c++) sum[c] = V::subtract(sum[c], V::times_32(offsets[c]));
}

template <class V, class Format, int n>
void multiply_256(const uint8_t* block, size_t k, const uint8_t* x, float* y, size_t y_stride) {
  typename V::Floats acc[n];
  for (auto& a : acc) a = V::zeros();
  for (size_t b = 0; b < k / 256; b++) {
    fetch_ahead<n, V::kRows * Format::kBytes>(block);
    Sums<V, n> sums;
    for (auto& s : sums.sum) s = V::bytes(0);
    add_parts<V, Format, n>(block, x, sums);
    if constexpr (Format::kOffset != 0) subtract_offsets<V, Format, n>(block, x, sums.sum);
    const typename V::Floats d = V::halves(block);
    for (int c = 0; c < n; c++) {
      const typename V::Floats x_scale = V::broadcast_float(x + n * kPanel256.scale + 4 * c);
      acc[c] = V::fma(V::multiply(V::to_floats(sums.sum[c]), x_scale), d, acc[c]);
    }
    if constexpr (Format::kOffset == 0) {
      typename V::Ints minima[n];
      add_minima<V, Format, n>(block, x, minima);
      const typename V::Floats dmin = V::multiply(V::halves(block + 2 * V::kRows), V::floats(-1));
      for (int c = 0; c < n; c++) {
        const typename V::Floats x_scale = V::broadcast_float(x + n * kPanel256.scale + 4 * c);
        acc[c] = V::fma(V::multiply(V::to_floats(minima[c]), x_scale), dmin, acc[c]);
      }
    }
    block += V::kRows * Format::kBytes;
    x += n * kPanel256.bytes;
  }
  for (int c = 0; c < n; c++) V::store(y + c * y_stride, acc[c]);
}

template <class V, class Format>
void multiply(const uint8_t* strip, size_t k, const uint8_t* panel, size_t n_columns, float* y,
              size_t y_stride) {
  const auto tile = [&]<int n>() {
    if constexpr (requires { Format::kPerScale; }) {
      multiply_256<V, Format, n>(strip, k, panel, y, y_stride);
    } else {
      multiply_32<V, Format, n>(strip, k, panel, y, y_stride);
    }
  };
  switch (n_columns) {
    case 1: return tile.template operator()<1>();
    case 2: return tile.template operator()<2>();
    case 3: return tile.template operator()<3>();
    case 4: return tile.template operator()<4>();
    case 5: return tile.template operator()<5>();
    default: return tile.template operator()<kPanelColumns>();
  }
}

template <class V, class Format>
constexpr QuantKernels kStripKernels = {requires {Format::kPerScale;
}  // namespace
? ActivationBlock::of_256 : ActivationBlock::of_32, multiply<V, Format>
};  // namespace hearth::cpu

// The formats of strips.h.
template <class V>
const QuantKernels* strip_kernels(gguf::Type type) {
  switch (type) {
    case gguf::Type::q4_0: return &kStripKernels<V, Q4_0>;
    case gguf::Type::q4_1: return &kStripKernels<V, Q4_1>;
    case gguf::Type::q5_0: return &kStripKernels<V, Q5_0>;
    case gguf::Type::q5_1: return &kStripKernels<V, Q5_1>;
    case gguf::Type::q8_0: return &kStripKernels<V, Q8_0>;
    case gguf::Type::mxfp4: return &kStripKernels<V, MXFP4>;
    case gguf::Type::q4_k: return &kStripKernels<V, Q4_K>;
    case gguf::Type::q5_k: return &kStripKernels<V, Q5_K>;
    case gguf::Type::q6_k: return &kStripKernels<V, Q6_K>;
    default: return nullptr;
  }
}

}  // namespace
}  // namespace hearth::cpu
