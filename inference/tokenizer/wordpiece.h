// WordPiece (bert): words and punctuation marks apart, each spelled by the longest tokens that fit
// from the left. The first token of a word begins with U+2581, later ones do not.
#pragma once

#include <string_view>
#include <vector>

#include "gguf/reader.h"
#include "support/result.h"
#include "vocabulary.h"

namespace hearth::tokenizer {

// Immutable after load; the vocabulary is handed to each call.
class WordPiece {
 public:
  static Result<WordPiece> load(const gguf::File& file, const Vocabulary& vocabulary,
                                Token unknown);

  void encode(const Vocabulary& vocabulary, std::string_view text, std::vector<Token>& out) const;

 private:
  void encode_word(const Vocabulary& vocabulary, const std::string& word,
                   std::vector<Token>& out) const;

  bool lowercase_ = true;
  bool strip_accents_ = true;
  size_t longest_token_ = 0;  // bytes
  Token unknown_ = -1;
};

}  // namespace hearth::tokenizer
