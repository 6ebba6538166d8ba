// A set of code points as a regular expression writes it: categories and ranges, maybe negated,
// maybe with another set taken out ("[\p{L}&&[^\p{Han}]]").
#pragma once

#include <cstdint>
#include <vector>

namespace hearth::tokenizer {

struct CharRange {
  uint32_t first;
  uint32_t last;
};

struct CharSet {
  uint32_t categories = 0;  // bits of category_bit()
  std::vector<CharRange> ranges;
  bool negated = false;
  uint32_t except_categories = 0;
  std::vector<CharRange> except_ranges;

  bool contains(uint32_t code_point, uint8_t category) const;
};

// \s, and the Han script, which is no category.
CharSet whitespace_set();
const std::vector<CharRange>& han_ranges();

}  // namespace hearth::tokenizer
