#include "bpe.h"

#include "byte_alphabet.h"
#include "word_cache.h"
#include "words.h"

namespace hearth::tokenizer {

Result<Bpe> Bpe::load(const gguf::File& file, const Vocabulary& vocabulary,
                      const PretokenizerRow& row, Token unknown, std::vector<std::string>& notes) {
  Result<Pretokenizer> pretokenizer = Pretokenizer::compile(row);
  if (!pretokenizer) return pretokenizer.error();
  Result<MergeTable> merges = MergeTable::load(file, vocabulary, notes);
  if (!merges) return merges.error();
  Bpe out;
  out.pretokenizer_ = std::move(*pretokenizer);
  out.merges_ = std::move(*merges);
  out.is_byte_level_ = row.is_byte_level;
  out.ignore_merges_ = row.ignore_merges;
  out.byte_tokens_ = row.is_byte_level ? ByteTokens::of_letters(vocabulary, unknown)
                                       : ByteTokens::of_codes(vocabulary, unknown);
  out.cuts_at_spaces_ = !row.is_byte_level && !vocabulary.has_tokens_across_words();
  return out;
}

void Bpe::encode(const Vocabulary& vocabulary, std::string_view text,
                 std::vector<Token>& out) const {
  if (is_byte_level_) return encode_bytes(vocabulary, text, out);
  encode_characters(vocabulary, with_word_marks(text), out);
}

void Bpe::encode_bytes(const Vocabulary& vocabulary, std::string_view text,
                       std::vector<Token>& out) const {
  std::vector<size_t> ends;
  pretokenizer_.split(text, ends);
  MergeLoop loop;
  WordCache cache(text, out);
  size_t begin = 0;
  for (const size_t end : ends) {
    cache.append(begin, end - begin, [&] {
      const std::string_view word = text.substr(begin, end - begin);
      if (ignore_merges_) {
        const Token whole = whole_word(vocabulary, word);
        if (whole >= 0) return out.push_back(whole);
      }
      loop.symbols.clear();
      for (size_t i = begin; i < end; ++i) {
        const Token token = byte_tokens_[static_cast<uint8_t>(text[i])];
        if (token != ByteTokens::kLeftOut)
          loop.symbols.push_back({static_cast<uint32_t>(i), 1, token});
      }
      loop.run([&](const Symbol& left, const Symbol& right) {
        return merges_.find(left.token, right.token);
      });
      byte_tokens_.append(text, loop.symbols, out);
    });
    begin = end;
  }
}

Token Bpe::whole_word(const Vocabulary& vocabulary, std::string_view word) const {
  constexpr size_t kLongest = 512;  // bytes; no published token comes near
  if (word.size() > kLongest) return -1;
  std::string letters;
  for (const char c : word) letters += byte_letters()[static_cast<uint8_t>(c)];
  return vocabulary.find_plain(letters);
}

void Bpe::encode_characters(const Vocabulary& vocabulary, std::string_view text,
                            std::vector<Token>& out) const {
  std::vector<size_t> ends;
  pretokenizer_.split(text, ends);
  MergeLoop loop;
  WordCache cache(text, out);
  size_t begin = 0;
  for (const size_t end : ends) {
    while (begin < end) {
      const std::string_view piece = text.substr(0, end);
      const size_t word_end = cuts_at_spaces_ ? end_of_word(piece, begin) : end;
      cache.append(begin, word_end - begin, [&] {
        if (text[begin] == '\n') {  // runs of newlines are tokens that no merge makes
          const Token whole = vocabulary.find_plain(text.substr(begin, word_end - begin));
          if (whole >= 0) return out.push_back(whole);
        }
        loop.symbols.clear();
        append_characters(vocabulary, text, begin, word_end, loop.symbols);
        loop.run([&](const Symbol& left, const Symbol& right) {
          return merges_.find(left.token, right.token);
        });
        byte_tokens_.append(text, loop.symbols, out);
      });
      begin = word_end;
    }
  }
}

}  // namespace hearth::tokenizer
