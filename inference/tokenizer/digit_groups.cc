#include "digit_groups.h"

#include <utf8proc.h>

#include "unicode.h"

namespace hearth::tokenizer {

namespace {

bool is_in(uint32_t categories, uint32_t code_point) {
  return categories & category_bit(category(code_point));
}

// What \b of Oniguruma, on which published tokenizers run, takes for parts of words: whatever is
// alphabetic, circled and squared letters among it, marks, digits, connectors, and of other numbers
// those of Latin-1.
bool is_word_char(uint32_t c) {
  constexpr uint32_t kWord = category_bit(UTF8PROC_CATEGORY_ND) |
                             category_bit(UTF8PROC_CATEGORY_NL) |
                             category_bit(UTF8PROC_CATEGORY_PC);
  if (c < 0x100 && is_in(category_bit(UTF8PROC_CATEGORY_NO), c)) return true;
  return is_in(kLetters | kMarks | kWord, c) || (c >= 0x24B6 && c <= 0x24E9) ||
         (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

void cut_groups(std::string_view piece, size_t begin, uint32_t digits, bool only_before_boundary,
                std::vector<size_t>& ends) {
  size_t open = 0;
  std::vector<size_t> run;  // where each digit of the current number begins
  for (size_t at = 0; at < piece.size();) {
    CodePoint c = decode_utf8(piece, at);
    if (!is_in(digits, c.value)) {
      at += c.size;
      continue;
    }
    run.clear();
    while (at < piece.size() && (c = decode_utf8(piece, at), is_in(digits, c.value))) {
      run.push_back(at);
      at += c.size;
    }
    if (only_before_boundary && at < piece.size() && is_word_char(c.value)) continue;
    if (run.front() > open) ends.push_back(begin + run.front());
    for (size_t i = 1; i < run.size(); ++i)
      if ((run.size() - i) % 3 == 0) ends.push_back(begin + run[i]);
    ends.push_back(begin + at);
    open = at;
  }
  if (open < piece.size()) ends.push_back(begin + piece.size());
}

}  // namespace

void cut_digit_groups(std::string_view piece, size_t begin, std::vector<size_t>& ends) {
  cut_groups(piece, begin, kNumbers, false, ends);
}

void cut_digit_groups_of_words(std::string_view piece, size_t begin, std::vector<size_t>& ends) {
  cut_groups(piece, begin, category_bit(UTF8PROC_CATEGORY_ND), true, ends);
}

void cut_trailing_space(std::string_view piece, size_t begin, std::vector<size_t>& ends) {
  size_t text_end = 0;
  for (size_t at = 0; at < piece.size();) {
    const CodePoint c = decode_utf8(piece, at);
    at += c.size;
    if (!is_whitespace(c.value)) text_end = at;
  }
  if (text_end > 0) ends.push_back(begin + text_end);
  if (text_end < piece.size()) ends.push_back(begin + piece.size());
}

}  // namespace hearth::tokenizer
