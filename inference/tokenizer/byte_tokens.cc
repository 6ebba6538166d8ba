#include "byte_tokens.h"

#include "byte_alphabet.h"

namespace hearth::tokenizer {

namespace {

bool occurs_in_utf8(size_t byte) { return byte < 0xC0 || (byte > 0xC1 && byte < 0xF5); }

}  // namespace

ByteTokens ByteTokens::of_letters(const Vocabulary& vocabulary, Token unknown) {
  ByteTokens out;
  for (size_t byte = 0; byte < 256; ++byte) {
    const Token token = vocabulary.find_plain(byte_letters()[byte]);
    // A user-defined token that looks like a letter stands for that character, not for a byte.
    const bool is_letter = token >= 0 && vocabulary.kind(token) != TokenKind::user_defined;
    out.tokens_[byte] = is_letter ? token : occurs_in_utf8(byte) ? kLeftOut : kReplaced;
  }
  out.set_replacement(vocabulary, unknown);
  return out;
}

ByteTokens ByteTokens::of_codes(const Vocabulary& vocabulary, Token unknown) {
  ByteTokens out;
  out.tokens_.fill(kReplaced);
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const auto token = static_cast<Token>(id);
    if (vocabulary.kind(token) != TokenKind::byte) continue;
    const int byte = vocabulary.byte_of(token);
    if (byte >= 0 && out.tokens_[byte] < 0) out.tokens_[byte] = token;
  }
  out.set_replacement(vocabulary, unknown);
  return out;
}

void ByteTokens::set_replacement(const Vocabulary& vocabulary, Token unknown) {
  // Some files name <|endoftext|> as unknown: no byte of a user may become that.
  if (unknown >= 0 && vocabulary.kind(unknown) == TokenKind::unknown)
    replacement_ = {unknown};
  else if (tokens_[0xEF] >= 0 && tokens_[0xBF] >= 0 && tokens_[0xBD] >= 0)
    replacement_ = {tokens_[0xEF], tokens_[0xBF], tokens_[0xBD]};
}

void ByteTokens::append(std::string_view text, std::span<const Symbol> symbols,
                        std::vector<Token>& out) const {
  bool in_unknown = false;
  for (const Symbol& symbol : symbols) {
    if (symbol.token >= 0) {
      out.push_back(symbol.token);
      in_unknown = false;
      continue;
    }
    for (const char c : text.substr(symbol.begin, symbol.size)) {
      const Token token = tokens_[static_cast<uint8_t>(c)];
      if (token >= 0)
        out.push_back(token);
      else if (token == kReplaced && !in_unknown)
        out.insert(out.end(), replacement_.begin(), replacement_.end());
      in_unknown = token == kReplaced;
    }
  }
}

}  // namespace hearth::tokenizer
