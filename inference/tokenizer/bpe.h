// Byte-pair encoding with a list of merges: over bytes (gpt2), or over UTF-8 characters with U+2581
// for spaces (gemma4).
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "byte_tokens.h"
#include "merge_table.h"
#include "pretokenizer.h"
#include "vocabulary.h"

namespace hearth::tokenizer {

// Immutable after load; borrows nothing: the vocabulary is handed to each call.
class Bpe {
 public:
  static Result<Bpe> load(const gguf::File& file, const Vocabulary& vocabulary,
                          const PretokenizerRow& row, Token unknown,
                          std::vector<std::string>& notes);

  void encode(const Vocabulary& vocabulary, std::string_view text, std::vector<Token>& out) const;

  bool is_byte_level() const { return is_byte_level_; }

 private:
  void encode_bytes(const Vocabulary& vocabulary, std::string_view text,
                    std::vector<Token>& out) const;
  void encode_characters(const Vocabulary& vocabulary, std::string_view text,
                         std::vector<Token>& out) const;
  Token whole_word(const Vocabulary& vocabulary, std::string_view word) const;

  Pretokenizer pretokenizer_;
  MergeTable merges_;
  ByteTokens byte_tokens_;
  bool is_byte_level_ = true;
  bool ignore_merges_ = false;
  bool cuts_at_spaces_ = false;  // character mode: no token reaches across U+2581
};

}  // namespace hearth::tokenizer
