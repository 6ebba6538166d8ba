#include "char_set.h"

#include "unicode.h"

namespace hearth::tokenizer {

namespace {

bool any_contains(const std::vector<CharRange>& ranges, uint32_t code_point) {
  for (const CharRange& range : ranges)
    if (code_point >= range.first && code_point <= range.last) return true;
  return false;
}

}  // namespace

bool CharSet::contains(uint32_t code_point, uint8_t category) const {
  const uint32_t bit = category_bit(category);
  const bool listed = (categories & bit) || any_contains(ranges, code_point);
  if (listed == negated) return false;
  return !(except_categories & bit) && !any_contains(except_ranges, code_point);
}

CharSet whitespace_set() {
  CharSet set;
  set.categories = kSeparators;
  set.ranges = {{0x09, 0x0D}, {0x85, 0x85}};
  return set;
}

const std::vector<CharRange>& han_ranges() {
  static const std::vector<CharRange> ranges = {
      // Scripts.txt of Unicode 15.1
      {0x2E80, 0x2E99},   {0x2E9B, 0x2EF3},   {0x2F00, 0x2FD5},   {0x3005, 0x3005},
      {0x3007, 0x3007},   {0x3021, 0x3029},   {0x3038, 0x303B},   {0x3400, 0x4DBF},
      {0x4E00, 0x9FFF},   {0xF900, 0xFA6D},   {0xFA70, 0xFAD9},   {0x16FE2, 0x16FE3},
      {0x16FF0, 0x16FF1}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B739}, {0x2B740, 0x2B81D},
      {0x2B820, 0x2CEA1}, {0x2CEB0, 0x2EBE0}, {0x2EBF0, 0x2EE5D}, {0x2F800, 0x2FA1D},
      {0x30000, 0x3134A}, {0x31350, 0x323AF}};
  return ranges;
}

}  // namespace hearth::tokenizer
