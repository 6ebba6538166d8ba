// What the words of one text became, so that a word that comes again costs one comparison. Lives
// for one encode call: refers to the text and to the output instead of copying from them.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "inference/message.h"
#include "vocabulary.h"

namespace hearth::tokenizer {

class WordCache {
 public:
  // `text` is what the words are cut from; it and `out` must outlive the cache.
  WordCache(std::string_view text, std::vector<Token>& out)
      : text_(text),
        out_(out),
        entries_(std::bit_ceil(std::min<size_t>(text.size() / 8 + 1, 8192))) {}

  // Appends the tokens of text[begin, begin + size): remembered, or made by `encode`, which
  // appends to the output.
  template <class Encode>
  void append(size_t begin, size_t size, const Encode& encode) {
    if (size > kLongest) return encode();
    const std::string_view word = text_.substr(begin, size);
    Entry& entry = entries_[hash_text(word) & (entries_.size() - 1)];
    if (entry.size == size && text_.substr(entry.begin, size) == word) {
      for (size_t i = 0; i < entry.n_tokens; ++i) out_.push_back(out_[entry.first_token + i]);
      return;
    }
    const size_t first = out_.size();
    encode();
    entry = {begin, first, static_cast<uint32_t>(size), static_cast<uint32_t>(out_.size() - first)};
  }

 private:
  static constexpr size_t kLongest = 64;
  struct Entry {
    size_t begin = 0;
    size_t first_token = 0;
    uint32_t size = 0;  // 0: free
    uint32_t n_tokens = 0;
  };

  std::string_view text_;
  std::vector<Token>& out_;
  std::vector<Entry> entries_;
};

}  // namespace hearth::tokenizer
