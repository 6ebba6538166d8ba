// UTF-8 decoding and Unicode general categories for the tokenizer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hearth::tokenizer {

struct CodePoint {
  uint32_t value;  // U+FFFD where the bytes are not UTF-8
  uint32_t size;   // bytes taken: 1 where they are not UTF-8, so nothing is ever skipped
  bool valid;
};

// The code point that begins at text[at]; `at` must be < text.size().
CodePoint decode_utf8(std::string_view text, size_t at);

void append_utf8(std::string& out, uint32_t code_point);

// General category as utf8proc numbers them (UTF8PROC_CATEGORY_LU ...), below 30.
uint8_t category(uint32_t code_point);

constexpr uint32_t category_bit(int category) { return 1u << category; }

extern const uint32_t kLetters;      // \p{L}
extern const uint32_t kMarks;        // \p{M}
extern const uint32_t kNumbers;      // \p{N}
extern const uint32_t kPunctuation;  // \p{P}
extern const uint32_t kSymbols;      // \p{S}
extern const uint32_t kSeparators;   // \p{Z}
extern const uint32_t kOthers;       // \p{C}

// White_Space of Unicode, which is what \s means in the published patterns.
bool is_whitespace(uint32_t code_point);

}  // namespace hearth::tokenizer
