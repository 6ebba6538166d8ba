// The tokens for single bytes, which spell what the vocabulary has no better token for.
//
// Not every vocabulary can spell every byte. Those by letters leave out the characters that they
// cannot spell (SmolLM2: some control characters), as Hugging Face's byte-level BPE does; a byte
// that is no UTF-8 becomes U+FFFD.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "inference/message.h"
#include "merge.h"
#include "vocabulary.h"

namespace hearth::tokenizer {

class ByteTokens {
 public:
  static constexpr Token kReplaced = -1, kLeftOut = -2;

  // Letters of the GPT-2 alphabet, or "<0x0A>".
  static ByteTokens of_letters(const Vocabulary& vocabulary, Token unknown);
  static ByteTokens of_codes(const Vocabulary& vocabulary, Token unknown);

  Token operator[](uint8_t byte) const { return tokens_[byte]; }

  // What remains of text[...] after merging: tokens as they are, unknown symbols in bytes. A run of
  // bytes that have no token becomes one `unknown`, or one U+FFFD where there is no such token.
  void append(std::string_view text, std::span<const Symbol> symbols,
              std::vector<Token>& out) const;

 private:
  void set_replacement(const Vocabulary& vocabulary, Token unknown);

  std::array<Token, 256> tokens_{};
  std::vector<Token> replacement_;  // for bytes without a token
};

}  // namespace hearth::tokenizer
