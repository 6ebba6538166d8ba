// Text in which U+2581 stands for the space, as SPM and gemma4 vocabularies have it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "merge.h"
#include "vocabulary.h"

namespace hearth::tokenizer {

std::string with_word_marks(std::string_view text);
std::string with_spaces(std::string_view text);

// End of the word that begins at text[at]: before the next U+2581 that follows something else.
size_t end_of_word(std::string_view text, size_t at);

// The characters of text[begin, end) as symbols; what is no plain token gets -1.
void append_characters(const Vocabulary& vocabulary, std::string_view text, size_t begin,
                       size_t end, std::vector<Symbol>& symbols);

}  // namespace hearth::tokenizer
