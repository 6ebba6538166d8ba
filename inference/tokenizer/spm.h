// SentencePiece byte-pair vocabularies (llama): no list of merges, two neighbours merge when their
// concatenation is a token, best score first.
#pragma once

#include <string_view>
#include <vector>

#include "byte_tokens.h"
#include "vocabulary.h"

namespace hearth::tokenizer {

// Immutable after load; the vocabulary is handed to each call.
class Spm {
 public:
  static Spm load(const Vocabulary& vocabulary, Token unknown);

  void encode(const Vocabulary& vocabulary, std::string_view text, std::vector<Token>& out) const;

 private:
  ByteTokens byte_tokens_;
  bool cuts_at_spaces_ = false;
};

}  // namespace hearth::tokenizer
