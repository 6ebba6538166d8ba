#include "backend/cpu/kv_page.h"

#include <cstring>

#include "backend/cpu/kernels.h"
#include "backend/cpu/ops.h"
#include "backend/cpu/scratch.h"
#include "gguf/quant.h"

namespace hearth::cpu {
namespace {

void store_row(const Kernels& kernels, KvElement element, const float* from, size_t dim,
               std::byte* to) {
  switch (element) {
    case KvElement::f32: std::memcpy(to, from, dim * sizeof(float)); return;
    case KvElement::f16: kernels.f32_to_f16(from, dim, reinterpret_cast<uint8_t*>(to)); return;
    case KvElement::q8_0: gguf::quantize_row(gguf::Type::q8_0, from, dim, to); return;
  }
}

// n elements, every kPageTokens-th of a page from `position` on.
template <class T>
void store_column(const T* from, size_t n, size_t position, std::byte* to) {
  to += position * sizeof(T);
  for (size_t i = 0; i < n; i++, to += kPageTokens * sizeof(T))
    std::memcpy(to, from + i, sizeof(T));
}

void store_key(const Kernels& kernels, KvElement element, const float* from, size_t dim,
               size_t position, std::byte* keys) {
  thread_local Scratch scratch;
  switch (element) {
    case KvElement::f32: return store_column(from, dim, position, keys);
    case KvElement::f16: {
      auto* halves = scratch.reserve<uint16_t>(dim);
      kernels.f32_to_f16(from, dim, reinterpret_cast<uint8_t*>(halves));
      return store_column(halves, dim, position, keys);
    }
    case KvElement::q8_0: {
      struct Block {
        uint16_t scale;
        int8_t q[32];
      };
      auto* blocks = scratch.reserve<Block>(dim / 32);
      gguf::quantize_row(gguf::Type::q8_0, from, dim, reinterpret_cast<std::byte*>(blocks));
      std::byte* quants = keys + dim / 32 * kPageTokens * sizeof(uint16_t);
      for (size_t b = 0; b < dim / 32; b++) {
        store_column(&blocks[b].scale, 1, b * kPageTokens + position, keys);
        store_column(blocks[b].q, 32, b * 32 * kPageTokens + position, quants);
      }
    }
  }
}

}  // namespace

void kv_store(const Machine& machine, const AttentionShape& shape,
              std::span<const AttentionRow> rows, const float* k, const float* v) {
  const Kernels& kernels = kernels_of(machine.path);
  const KvPlaces places(shape);
  const auto store = [&](size_t t) {
    const uint32_t position = rows[t].position;
    std::byte* page = rows[t].pages[position / kPageTokens];
    for (size_t h = 0; h < shape.n_kv_heads; h++) {
      const size_t at = t * shape.n_kv_heads + h;
      store_key(kernels, shape.element, k + at * shape.k_dim, shape.k_dim, position % kPageTokens,
                page + places.keys(h));
      store_row(kernels, shape.element, v + at * shape.v_dim, shape.v_dim,
                page + places.value(h, position));
    }
  };
  constexpr size_t kRowsPerPiece = 16;
  const size_t n_pieces = (rows.size() + kRowsPerPiece - 1) / kRowsPerPiece;
  machine.pool.run(static_cast<uint32_t>(n_pieces), [&](uint32_t piece) {
    const size_t end = std::min(rows.size(), (piece + 1) * kRowsPerPiece);
    for (size_t t = piece * kRowsPerPiece; t < end; t++) store(t);
  });
}

}  // namespace hearth::cpu
