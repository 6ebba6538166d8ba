// The generated tables behind unicode.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

namespace hearth::jinja::unicode {

// Runs of code points with equal flags: first code point << 11 | flags, ascending.
extern const uint32_t kRuns[];
extern const size_t kRunCount;

// first, first + step, ... last map to themselves plus delta.
struct CaseRange {
  uint32_t first, last, step;
  int32_t delta;
};
struct CaseSpecial {
  uint32_t code;
  std::string_view text;
};
struct CaseTable {
  std::span<const CaseRange> ranges;     // ascending
  std::span<const CaseSpecial> special;  // ascending
};
extern const CaseTable kUpperTable, kLowerTable, kTitleTable, kCasefoldTable;

}  // namespace hearth::jinja::unicode
