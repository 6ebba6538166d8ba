#include "byte_tokens.h"

#include "byte_alphabet.h"

namespace hearth::tokenizer {

ByteTokens ByteTokens::of_letters(const Vocabulary& vocabulary, Token unknown) {
  ByteTokens out;
  out.unknown_ = unknown;
  for (size_t byte = 0; byte < 256; ++byte)
    out.tokens_[byte] = vocabulary.find_plain(byte_letters()[byte]);
  return out;
}

ByteTokens ByteTokens::of_codes(const Vocabulary& vocabulary, Token unknown) {
  ByteTokens out;
  out.unknown_ = unknown;
  out.tokens_.fill(-1);
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const auto token = static_cast<Token>(id);
    if (vocabulary.kind(token) != TokenKind::byte) continue;
    const int byte = vocabulary.byte_of(token);
    if (byte >= 0 && out.tokens_[byte] < 0) out.tokens_[byte] = token;
  }
  return out;
}

void ByteTokens::append(std::string_view text, std::span<const Symbol> symbols,
                        std::vector<Token>& out) const {
  for (const Symbol& symbol : symbols) {
    if (symbol.token >= 0)
      out.push_back(symbol.token);
    else
      append(text.substr(symbol.begin, symbol.size), out);
  }
}

void ByteTokens::append(std::string_view bytes, std::vector<Token>& out) const {
  bool in_unknown = false;
  for (const char c : bytes) {
    const Token token = tokens_[static_cast<uint8_t>(c)];
    if (token >= 0)
      out.push_back(token);
    else if (unknown_ >= 0 && !in_unknown)
      out.push_back(unknown_);
    in_unknown = token < 0;
  }
}

}  // namespace hearth::tokenizer
