#include "byte_alphabet.h"

#include "unicode.h"

namespace hearth::tokenizer {

namespace {

bool stands_for_itself(uint32_t byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// Code point -> byte, -1 where it is no letter.
const std::array<int16_t, 0x144>& letter_bytes() {
  static const auto table = [] {
    std::array<int16_t, 0x144> out;
    out.fill(-1);
    uint32_t moved = 0x100;
    for (uint32_t byte = 0; byte < 256; ++byte)
      out[stands_for_itself(byte) ? byte : moved++] = static_cast<int16_t>(byte);
    return out;
  }();
  return table;
}

}  // namespace

const std::array<std::string, 256>& byte_letters() {
  static const auto table = [] {
    std::array<std::string, 256> out;
    for (uint32_t c = 0; c < letter_bytes().size(); ++c)
      if (letter_bytes()[c] >= 0) append_utf8(out[letter_bytes()[c]], c);
    return out;
  }();
  return table;
}

void append_bytes_of_letters(std::string_view letters, std::string& out) {
  for (size_t at = 0; at < letters.size();) {
    const CodePoint c = decode_utf8(letters, at);
    if (c.valid && c.value < letter_bytes().size() && letter_bytes()[c.value] >= 0)
      out.push_back(static_cast<char>(letter_bytes()[c.value]));
    else
      out.append(letters.substr(at, c.size));
    at += c.size;
  }
}

}  // namespace hearth::tokenizer
