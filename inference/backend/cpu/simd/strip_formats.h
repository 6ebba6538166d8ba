// The blocks of a strip (strips.h) as vectors of bytes, for any width V of vectors: V::kRows rows,
// one 32-bit lane each.
//
// groups<...>(block, use) calls use(w, Int<i>, Int<g>) for i = 0, 1, ...: w has the elements 4 g..
// of every row, and all g of a part of the block have their turn. Everything is unrolled. kMax: the
// largest unsigned element; 0: elements are signed.
// In an anonymous namespace, as all that these folders include: each including file has its own
// copy, compiled with its own instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth::cpu {
namespace {

template <int n>
struct Int {
  static constexpr int value = n;
};

// f(Int<0>), f(Int<1>), ... f(Int<n - 1>)
template <int n, int i = 0, class F>
[[gnu::always_inline]] inline void each(const F& f) {
  if constexpr (i < n) {
    f(Int<i>{});
    each<n, i + 1>(f);
  }
}

// The low or high four bits of each byte.
template <class V, bool is_high>
inline typename V::Ints nibbles(typename V::Ints bytes) {
  return V::bits_and(is_high ? V::template shift_right<4>(bytes) : bytes, V::bytes(15));
}

// Bit `at` of each byte, as 16.
template <class V, int at>
inline typename V::Ints sixteens(typename V::Ints bits) {
  const typename V::Ints moved = at < 4 ? V::template shift_left<(at < 4 ? 4 - at : 0)>(bits)
                                        : V::template shift_right<(at > 4 ? at - 4 : 0)>(bits);
  return V::bits_and(moved, V::bytes(16));
}

// Bits 2 * part and above of each byte, two of them, times 16.
template <class V, int part>
inline typename V::Ints pairs_of_bits(typename V::Ints bits) {
  const typename V::Ints moved = part < 2
                                     ? V::template shift_left<(part < 2 ? 4 - 2 * part : 0)>(bits)
                                     : V::template shift_right<(part > 2 ? 2 * part - 4 : 0)>(bits);
  return V::bits_and(moved, V::bytes(48));
}

// --- Blocks of 32: w = d * (q - offset) + m ---
//
// kOffset: a power of two; it joins the integer sum, exactly. kHasMin: the format has its own m.

template <class V>
struct ScaleAndMin {
  typename V::Floats d, m;
};

// From byte `at`, 16 bytes of nibbles: byte j holds element j (low) and element j + 16 (high).
template <class V, size_t at, class Use>
[[gnu::always_inline]] inline void each_nibble_group(const uint8_t* block, const Use& use) {
  each<4>([&]<int i>(Int<i>) {
    const typename V::Ints raw = V::load(block + V::kRows * (at + 4 * i));
    use(nibbles<V, false>(raw), Int<2 * i>{}, Int<i>{});
    use(nibbles<V, true>(raw), Int<2 * i + 1>{}, Int<i + 4>{});
  });
}

// The same with a fifth bit of each element, in the four bytes before.
template <class V, size_t at, class Use>
[[gnu::always_inline]] inline void each_five_bit_group(const uint8_t* block, const Use& use) {
  const typename V::Ints fifth = V::load(block + V::kRows * (at - 4));
  each_nibble_group<V, at>(block, [&]<int i, int g>(typename V::Ints w, Int<i>, Int<g>) {
    use(V::bits_or(w, sixteens<V, g>(fifth)), Int<i>{}, Int<g>{});
  });
}

// d, m where the format has its own, fifth bits where it has them, nibbles. Without an m of its own
// the elements are around zero.
template <bool has_m, bool has_fifth>
struct Nibbles {
  static constexpr size_t kQuantsAt = 2 + (has_m ? 2 : 0) + (has_fifth ? 4 : 0);
  static constexpr size_t kBytes = kQuantsAt + 16;
  static constexpr int kMax = has_fifth ? 31 : 15, kOffset = has_m ? 0 : (kMax + 1) / 2;
  static constexpr bool kHasMin = has_m;
  template <class V>
  static ScaleAndMin<V> scales(const uint8_t* block) {
    return {V::halves(block), has_m ? V::halves(block + 2 * V::kRows) : V::floats(0)};
  }
  template <class V, class Use>
  [[gnu::always_inline]] static void groups(const uint8_t* block, const Use& use) {
    if constexpr (has_fifth)
      each_five_bit_group<V, kQuantsAt>(block, use);
    else
      each_nibble_group<V, kQuantsAt>(block, use);
  }
};

using Q4_0 = Nibbles<false, false>;
using Q4_1 = Nibbles<true, false>;
using Q5_0 = Nibbles<false, true>;
using Q5_1 = Nibbles<true, true>;

struct Q8_0 {
  static constexpr size_t kBytes = 34;
  static constexpr int kMax = 0, kOffset = 0;
  static constexpr bool kHasMin = false;
  template <class V>
  static ScaleAndMin<V> scales(const uint8_t* block) {
    return {V::halves(block), V::floats(0)};
  }
  template <class V, class Use>
  [[gnu::always_inline]] static void groups(const uint8_t* block, const Use& use) {
    each<8>(
        [&]<int i>(Int<i>) { use(V::load(block + V::kRows * (2 + 4 * i)), Int<i>{}, Int<i>{}); });
  }
};

// The doubled values of the codes plus 16, so that none is negative.
struct MXFP4 {
  static constexpr size_t kBytes = 17;
  static constexpr int kMax = 28, kOffset = 16;
  static constexpr bool kHasMin = false;
  template <class V>
  static ScaleAndMin<V> scales(const uint8_t* block) {
    return {V::half_exponents(block), V::floats(0)};
  }
  template <class V, class Use>
  [[gnu::always_inline]] static void groups(const uint8_t* block, const Use& use) {
    alignas(16) static constexpr uint8_t kValues[] = {16, 17, 18, 19, 20, 22, 24, 28,
                                                      16, 15, 14, 13, 12, 10, 8,  4};
    const typename V::Ints table = V::repeat_16(kValues);
    each_nibble_group<V, 1>(block, [&]<int i, int g>(typename V::Ints code, Int<i>, Int<g>) {
      use(V::look_up(table, code), Int<i>{}, Int<g>{});
    });
  }
};

// --- Blocks of 256: w = d * scale * (q - offset) - dmin * min ---
//
// A scale covers kPerScale elements. kOffset 0: the format has minima, a pair of them for each pair
// of sums of x over 32. Else the offset times the scale joins the integer sum, exactly.

struct Q4_K {
  static constexpr size_t kBytes = 148, kScalesAt = 4, kMinsAt = 12, kPerScale = 32;
  static constexpr int kMax = 15, kOffset = 0;
  template <class V, int part, class Use>
  [[gnu::always_inline]] static void groups(const uint8_t* block, const Use& use) {
    each<8>([&]<int i>(Int<i>) {
      const typename V::Ints raw = V::load(block + V::kRows * (20 + 32 * (part / 2) + 4 * i));
      use(nibbles < V, part % 2 != 0 > (raw), Int<i>{}, Int<i>{});
    });
  }
};

struct Q5_K {
  static constexpr size_t kBytes = 180, kScalesAt = 4, kMinsAt = 12, kPerScale = 32;
  static constexpr int kMax = 31, kOffset = 0;
  template <class V, int part, class Use>
  [[gnu::always_inline]] static void groups(const uint8_t* block, const Use& use) {
    each<8>([&]<int i>(Int<i>) {
      const typename V::Ints raw = V::load(block + V::kRows * (52 + 32 * (part / 2) + 4 * i));
      const typename V::Ints fifth = V::load(block + V::kRows * (20 + 4 * i));
      use(V::bits_or(nibbles < V, part % 2 != 0 > (raw), sixteens<V, part>(fifth)), Int<i>{},
          Int<i>{});
    });
  }
};

struct Q6_K {
  static constexpr size_t kBytes = 210, kScalesAt = 2, kMinsAt = 0, kPerScale = 16;
  static constexpr int kMax = 63, kOffset = 32;
  template <class V, int part, class Use>
  [[gnu::always_inline]] static void groups(const uint8_t* block, const Use& use) {
    constexpr int kHalf = part / 8, kQuarter = part / 2 % 4, kFirst = part % 2 * 4;
    each<4>([&]<int i>(Int<i>) {
      const typename V::Ints low =
          V::load(block + V::kRows * (18 + 64 * kHalf + 32 * (kQuarter % 2) + 4 * (kFirst + i)));
      const typename V::Ints high =
          V::load(block + V::kRows * (146 + 32 * kHalf + 4 * (kFirst + i)));
      use(V::bits_or(nibbles<V, (kQuarter > 1)>(low), pairs_of_bits<V, kQuarter>(high)), Int<i>{},
          Int<i>{});
    });
  }
};

}  // namespace
}  // namespace hearth::cpu
