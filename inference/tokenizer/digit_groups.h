// Steps of pre-tokenizers that look further ahead than one character, so no Pattern can say them.
// Each appends the ends of the pieces of `piece`, which begins at byte `begin` of the text.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace hearth::tokenizer {

// Numbers stand alone and are grouped in threes from the right: "12" "345" "678".
void cut_digit_groups(std::string_view piece, size_t begin, std::vector<size_t>& ends);

// The same, but only where a word ends behind the number: \d{1,3}(?=(?:\d{3})*\b).
void cut_digit_groups_of_words(std::string_view piece, size_t begin, std::vector<size_t>& ends);

// White space at the end stands alone: \s+$. A pattern would read a long run once per character.
void cut_trailing_space(std::string_view piece, size_t begin, std::vector<size_t>& ends);

}  // namespace hearth::tokenizer
