// Fields of the current block of eight rows, brought together in vectors with a row per lane.
//
// Elements are "interleaved" when vector g has, in lane r, elements 4 g..4 g + 3 of row r as bytes.
// In an anonymous namespace for the reason given in vector.h.
#pragma once

#include "backend/cpu/avx2/vector.h"

namespace hearth::cpu {
namespace {

inline uint32_t load_u32(const uint8_t* from) {
  uint32_t word;
  __builtin_memcpy(&word, from, sizeof word);
  return word;
}

inline uint16_t load_u16(const uint8_t* from) {
  uint16_t word;
  __builtin_memcpy(&word, from, sizeof word);
  return word;
}

inline __m128i load_16(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}

inline __m256i load_32(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

// Row pointers, the last one repeated where there are fewer than eight.
struct EightRows {
  const uint8_t* at[8];
  EightRows(const uint8_t* rows, size_t row_bytes, size_t n_rows) {
    for (size_t r = 0; r < 8; r++) at[r] = rows + (r < n_rows ? r : n_rows - 1) * row_bytes;
  }
  void advance(size_t bytes) {
    for (const uint8_t*& row : at) row += bytes;
  }
};

// The 32 bits at `offset` of each.
template <size_t offset>
inline __m256i words_of(const EightRows& row) {
  const auto at = [&](int r) { return static_cast<int>(load_u32(row.at[r] + offset)); };
  return _mm256_setr_epi32(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
}

// 32 elements of each row, interleaved, from 16 bytes: byte j holds element j (low nibble) and
// element j + 16 (high nibble).
template <size_t offset>
inline void interleave_nibbles(const EightRows& row, __m256i (&out)[8]) {
  __m256i v[4];  // rows i and i + 4
  for (int i = 0; i < 4; i++) {
    v[i] = _mm256_set_m128i(load_16(row.at[i + 4] + offset), load_16(row.at[i] + offset));
  }
  const __m256i a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpackhi_epi32(v[0], v[1]);
  const __m256i c = _mm256_unpacklo_epi32(v[2], v[3]), d = _mm256_unpackhi_epi32(v[2], v[3]);
  const __m256i words[4] = {_mm256_unpacklo_epi64(a, c), _mm256_unpackhi_epi64(a, c),
                            _mm256_unpacklo_epi64(b, d), _mm256_unpackhi_epi64(b, d)};
  const __m256i low = _mm256_set1_epi8(15);
  for (int g = 0; g < 4; g++) {
    out[g] = _mm256_and_si256(words[g], low);
    out[g + 4] = _mm256_and_si256(_mm256_srli_epi16(words[g], 4), low);
  }
}

// Adds 16 to element j of a row where bit j of its 32-bit word at `offset` is set.
template <size_t offset>
inline void add_fifth_bits(const EightRows& row, __m256i (&out)[8]) {
  const __m256i bits = words_of<offset>(row);
  const __m256i lane = _mm256_set_m128i(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c),
                                        _mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
  for (int g = 0; g < 8; g++) {
    const __m256i byte = _mm256_add_epi8(lane, _mm256_set1_epi8(static_cast<char>(g / 2)));
    const __m256i bit = _mm256_set1_epi32(g % 2 == 0 ? 0x08040201 : static_cast<int>(0x80402010));
    const __m256i here = _mm256_and_si256(_mm256_shuffle_epi8(bits, byte), bit);
    const __m256i sixteen = _mm256_and_si256(_mm256_cmpeq_epi8(here, bit), _mm256_set1_epi8(16));
    out[g] = _mm256_or_si256(out[g], sixteen);
  }
}

// The f16 at `offset` of each.
template <size_t offset>
inline __m256 halves_of(const EightRows& row) {
  const auto at = [&](int r) { return static_cast<short>(load_u16(row.at[r] + offset)); };
  return _mm256_cvtph_ps(_mm_setr_epi16(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)));
}

// The two f16 at the start of each.
struct ScaleAndMin {
  __m256 d, m;
};
inline ScaleAndMin scales_and_mins_of(const EightRows& row) {
  const __m256i pairs = words_of<0>(row);
  const __m256i d = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff));
  const __m256i m = _mm256_srli_epi32(pairs, 16);
  const __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi32(d, m), 0xd8);
  return {_mm256_cvtph_ps(_mm256_castsi256_si128(both)),
          _mm256_cvtph_ps(_mm256_extracti128_si256(both, 1))};
}

}  // namespace
}  // namespace hearth::cpu
