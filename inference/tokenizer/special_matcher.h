// Finds the texts of special tokens, the longest where several begin at one place.
//
// All texts are kept sorted. To match, the range of texts that agree with the input so far is
// narrowed byte by byte by binary search; the shortest text of a range stands first, so a complete
// one is noticed as it is passed. Cost: one look at a table for most bytes of the input; at most
// kLongest steps where many texts begin alike.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "inference/message.h"

namespace hearth::tokenizer {

// Immutable; copies the texts.
class SpecialMatcher {
 public:
  static constexpr size_t kLongest = 512;  // bytes; longer texts are ignored

  struct Entry {
    std::string text;
    Token token;
  };
  SpecialMatcher() = default;
  explicit SpecialMatcher(std::vector<Entry> entries);

  struct Match {
    size_t begin;
    size_t size;
    Token token;
  };
  // The first match at or behind `from`; token -1 and begin = text.size() when there is none.
  Match find(std::string_view text, size_t from) const;

 private:
  std::vector<Entry> entries_;            // sorted by text
  std::array<uint32_t, 257> by_first_{};  // entries whose text begins with byte b: [b], [b + 1])
};

}  // namespace hearth::tokenizer
