#include "backend/cpu/kv_page.h"

#include <cstring>

#include "backend/cpu/kernels.h"
#include "gguf/quant.h"

namespace hearth::cpu {
namespace {

void store_row(const Kernels& kernels, KvElement element, const float* from, size_t head_dim,
               std::byte* to) {
  switch (element) {
    case KvElement::f32: std::memcpy(to, from, head_dim * sizeof(float)); return;
    case KvElement::f16: kernels.f32_to_f16(from, head_dim, reinterpret_cast<uint8_t*>(to)); return;
    case KvElement::q8_0: gguf::quantize_row(gguf::Type::q8_0, from, head_dim, to); return;
  }
}

}  // namespace

size_t kv_row_bytes(KvElement element, size_t head_dim) {
  switch (element) {
    case KvElement::f32: return head_dim * sizeof(float);
    case KvElement::f16: return head_dim * sizeof(uint16_t);
    case KvElement::q8_0: break;
  }
  return gguf::row_bytes(gguf::Type::q8_0, head_dim);
}

void kv_store(const Machine& machine, const AttentionShape& shape,
              std::span<const AttentionRow> rows, const float* k, const float* v,
              size_t kv_stride) {
  const Kernels& kernels = kernels_of(machine.path);
  const size_t head_dim = shape.head_dim, bytes = kv_row_bytes(shape.element, head_dim);
  const auto store = [&](size_t t) {
    const uint32_t position = rows[t].position;
    std::byte* page = rows[t].pages[position / kPageTokens];
    for (size_t h = 0; h < shape.n_kv_heads; h++) {
      const size_t at = t * kv_stride + h * head_dim;
      store_row(kernels, shape.element, k + at, head_dim, page + key_offset(h, position, bytes));
      store_row(kernels, shape.element, v + at, head_dim, page + value_offset(h, position, bytes));
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
