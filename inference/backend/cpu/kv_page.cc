#include "backend/cpu/kv_page.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/int_rows.h"
#include "backend/cpu/ops.h"
#include "backend/cpu/scratch.h"

namespace hearth::cpu {
namespace {

// n elements, every `stride`-th of an array from `first` on.
template <class T>
void store_column(const T* from, size_t n, size_t first, size_t stride, std::byte* to) {
  to += first * sizeof(T);
  for (size_t i = 0; i < n; i++, to += stride * sizeof(T)) std::memcpy(to, from + i, sizeof(T));
}

// Elements of a row in pairs, at `position` of lines of all positions.
template <class T>
void store_key_pairs(const T* row, size_t width, size_t position, std::byte* to) {
  struct Pair {
    T elements[2];
  };
  store_column(reinterpret_cast<const Pair*>(row), width / 2, position, kPageTokens, to);
}

// A row's elements, each beside that of the other position of its pair.
template <class T>
void store_value_pairs(const T* row, size_t width, size_t position, std::byte* to) {
  store_column(row, width, position / 2 * 2 * width + position % 2, 2, to);
}

// One position of one head.
struct Place {
  const AttentionShape& shape;
  size_t position;
  std::byte *keys, *values;
};

void store_scales(const Place& place, float key, float value) {
  // What no integer can be shows in the scores, and so in the sums.
  if (!std::isfinite(value)) key = value;
  store_column(&key, 1, place.position, 1, place.keys);
  store_column(&value, 1, place.position, 1, place.values);
}

void store_i16(const Place& place, const float* k, const float* v) {
  thread_local Scratch scratch;
  const size_t k_width = int_width(place.shape.k_dim), v_width = int_width(place.shape.v_dim);
  auto* key = scratch.reserve<int16_t>(k_width + v_width);
  int16_t* value = key + k_width;
  store_scales(place, ints_by_norm(k, place.shape.k_dim, key),
               ints_by_largest(v, place.shape.v_dim, value));
  store_key_pairs(key, k_width, place.position, place.keys + kScalesBytes);
  store_value_pairs(value, v_width, place.position, place.values + kScalesBytes);
}

void store_i8(const Place& place, const float* k, const float* v) {
  thread_local Scratch scratch;
  const size_t k_dim = place.shape.k_dim, v_dim = place.shape.v_dim;
  auto* ratios = scratch.reserve<int16_t>(k_dim + v_dim);
  auto* bytes = reinterpret_cast<int8_t*>(ratios + (k_dim + v_dim) / 32);
  const float key_scale = bytes_by_block(k, k_dim, bytes, ratios);
  const float value_scale = bytes_by_block(v, v_dim, bytes + k_dim, ratios + k_dim / 32);
  store_scales(place, key_scale / (1 << kKeyBits), value_scale / (1 << kValueBits));
  store_column(ratios, k_dim / 32, place.position, kPageTokens, place.keys + kScalesBytes);
  store_column(ratios + k_dim / 32, v_dim / 32, place.position, kPageTokens,
               place.values + kScalesBytes);
  store_key_pairs(bytes, k_dim, place.position, place.keys + kScalesBytes + ratios_bytes(k_dim));
  store_value_pairs(bytes + k_dim, v_dim, place.position,
                    place.values + kScalesBytes + ratios_bytes(v_dim));
}

void store(const Place& place, const float* k, const float* v) {
  switch (place.shape.element) {
    case KvElement::f32:
      store_column(k, place.shape.k_dim, place.position, kPageTokens, place.keys);
      store_column(v, place.shape.v_dim, place.position * place.shape.v_dim, 1, place.values);
      return;
    case KvElement::i16: return store_i16(place, k, v);
    case KvElement::i8: return store_i8(place, k, v);
  }
}

}  // namespace

void kv_store(const Machine& machine, const AttentionShape& shape,
              std::span<const AttentionRow> rows, const float* k, const float* v) {
  const KvPlaces places(shape);
  const auto store_row = [&](size_t t) {
    const uint32_t position = rows[t].position;
    std::byte* page = rows[t].pages[position / kPageTokens];
    for (size_t h = 0; h < shape.n_kv_heads; h++) {
      const size_t at = t * shape.n_kv_heads + h;
      store({shape, position % kPageTokens, page + places.keys(h), page + places.values(h)},
            k + at * shape.k_dim, v + at * shape.v_dim);
    }
  };
  constexpr size_t kRowsPerPiece = 16;
  const size_t n_pieces = (rows.size() + kRowsPerPiece - 1) / kRowsPerPiece;
  machine.pool.run(static_cast<uint32_t>(n_pieces), [&](uint32_t piece) {
    const size_t end = std::min(rows.size(), (piece + 1) * kRowsPerPiece);
    for (size_t t = piece * kRowsPerPiece; t < end; t++) store_row(t);
  });
}

}  // namespace hearth::cpu
