#include "graph/blocks/state.h"

#include <fmt/format.h>

#include <cstring>

namespace hearth {
namespace {

constexpr uint64_t kHeaderBytes = 64;  // keeps the copies on cache lines
constexpr uint32_t kNone = UINT32_MAX;

// The head of a layer's part: how many positions each copy has seen.
struct Header {
  uint32_t seen[2];
};

Header header_of(const std::byte* part) {
  Header header;
  std::memcpy(&header, part, sizeof header);
  return header;
}

uint64_t copy_floats(uint64_t n_floats) { return (n_floats + 15) / 16 * 16; }

float* copy_of(std::byte* part, uint64_t n_floats, size_t which) {
  return reinterpret_cast<float*>(part + kHeaderBytes) + which * copy_floats(n_floats);
}

// Which copy of a page has seen so many positions.
size_t copy_after(const std::byte* part, uint32_t n_positions) {
  const Header header = header_of(part);
  for (size_t i = 0; i < 2; ++i)
    if (header.seen[i] == n_positions) return i;
  return kNone;
}

// The copy to write for rows [first, end) of positions, marked with what it will have seen. At the
// start of a page what lies there is of another sequence.
float* copy_to_write(std::byte* part, uint64_t n_floats, uint32_t first, uint32_t end) {
  Header header = header_of(part);
  const bool is_new = first % kPageTokens == 0;
  const size_t which = !is_new && header.seen[0] == first ? 1 : 0;
  if (is_new) header.seen[1] = kNone;
  header.seen[which] = end;
  std::memcpy(part, &header, sizeof header);
  return copy_of(part, n_floats, which);
}

}  // namespace

uint64_t state_bytes(uint64_t n_floats) {
  return kHeaderBytes + 2 * copy_floats(n_floats) * sizeof(float);
}

const float* state_after(const std::byte* part, uint64_t n_floats, uint32_t n_positions) {
  if (part == nullptr) return nullptr;
  const size_t which = copy_after(part, n_positions);
  return which == kNone ? nullptr : copy_of(const_cast<std::byte*>(part), n_floats, which);
}

std::vector<StateSegment> state_segments(Pass& pass, uint64_t n_floats) {
  std::vector<StateSegment> segments;
  const std::span<const BatchRow> rows = pass.batch.rows;
  for (size_t first = 0; first < rows.size();) {
    const BatchRow& row = rows[first];
    const std::vector<PageIndex>& table = pass.batch.block_tables[row.sequence];
    const size_t page = row.position / kPageTokens;
    size_t end = first + 1;
    while (end < rows.size() && rows[end].sequence == row.sequence &&
           rows[end].position / kPageTokens == page)
      ++end;
    StateSegment segment{.first = first, .end = end};
    if (row.position > 0) {
      const size_t from = (row.position - 1) / kPageTokens;
      segment.before =
          state_after(pass.cache.data(pass.layer, table[from]), n_floats, row.position);
    }
    segment.after = copy_to_write(pass.cache.data(pass.layer, table[page]), n_floats, row.position,
                                  rows[end - 1].position + 1);
    segments.push_back(segment);
    first = end;
  }
  return segments;
}

Result<> check_states(const Batch& batch, KvCache& cache) {
  const std::vector<KvLayer>& layers = cache.shape().layers;
  for (size_t i = 0; i < batch.rows.size(); ++i) {
    const BatchRow& row = batch.rows[i];
    if (i > 0 && batch.rows[i - 1].sequence == row.sequence) {
      if (batch.rows[i - 1].position + 1 == row.position) continue;
      return Error{Errc::invalid,
                   fmt::format("position {} of sequence {} after {}, expected the next one",
                               row.position, row.sequence, batch.rows[i - 1].position)};
    }
    if (row.position == 0) continue;
    const PageIndex page = batch.block_tables[row.sequence][(row.position - 1) / kPageTokens];
    for (uint32_t layer = 0; layer < layers.size(); ++layer) {
      if (layers[layer].state_bytes == 0) continue;
      const std::byte* part = cache.data(layer, page);
      if (part != nullptr && copy_after(part, row.position) != kNone) continue;
      return Error{Errc::invalid,
                   fmt::format("position {} of sequence {}, whose state before it is not in the "
                               "cache",
                               row.position, row.sequence)};
    }
  }
  return {};
}

}  // namespace hearth
