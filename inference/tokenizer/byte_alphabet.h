// The printable alphabet in which GPT-2 vocabularies spell bytes: 188 bytes stand for themselves,
// the other 68 are moved to U+0100 and up.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace hearth::tokenizer {

// UTF-8 of the letter for each byte.
const std::array<std::string, 256>& byte_letters();

// Letters -> bytes. What is no letter of the alphabet is copied as it is.
void append_bytes_of_letters(std::string_view letters, std::string& out);

}  // namespace hearth::tokenizer
