// The tokens for single bytes, which spell what the vocabulary has no better token for.
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
  // Letters of the GPT-2 alphabet, or "<0x0A>". `unknown` (-1: nothing) stands in for bytes that
  // the vocabulary lacks.
  static ByteTokens of_letters(const Vocabulary& vocabulary, Token unknown);
  static ByteTokens of_codes(const Vocabulary& vocabulary, Token unknown);

  Token operator[](uint8_t byte) const { return tokens_[byte]; }  // -1 when there is none

  // What remains of text[...] after merging: tokens as they are, unknown symbols in bytes.
  void append(std::string_view text, std::span<const Symbol> symbols,
              std::vector<Token>& out) const;

  // One token for each byte; bytes without one become `unknown`, a run of them one `unknown`.
  void append(std::string_view bytes, std::vector<Token>& out) const;

 private:
  std::array<Token, 256> tokens_{};
  Token unknown_ = -1;
};

}  // namespace hearth::tokenizer
