// An answer of a model, read through a dialect. The first byte chooses the dialect, the second the
// size of the pieces in which the rest arrives: the outcome must not depend on it, nor grow beyond
// what was read.
#include <cstdint>
#include <cstdlib>

#include "inference/dialects/read.h"

using namespace hearth;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto rows = dialects::table();
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const dialects::ReasoningMarkers markers{"<think>", "</think>", false};
  const testing::ReadOptions options{.dialect = &rows[(data[0] >> 2) % rows.size()],
                                     .markers = (data[0] & 1) ? &markers : nullptr,
                                     .is_cut = (data[0] & 2) != 0,
                                     .stop_strings = {"STOP"}};
  const size_t n_bytes = data[1] % 16 + 1u;
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size(); at += n_bytes)
    pieces.emplace_back(text.substr(at, n_bytes));
  const std::string whole = testing::read({std::string(text)}, options);
  if (testing::read(pieces, options) != whole) std::abort();
  if (whole.size() > 12 * text.size() + 1000) std::abort();
  return 0;
}
