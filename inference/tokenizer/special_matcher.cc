#include "special_matcher.h"

#include <algorithm>
#include <tuple>

namespace hearth::tokenizer {

SpecialMatcher::SpecialMatcher(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::erase_if(entries_,
                [](const Entry& e) { return e.text.empty() || e.text.size() > kLongest; });
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.text, a.token) < std::tie(b.text, b.token);
  });
  for (const Entry& entry : entries_) ++by_first_[static_cast<uint8_t>(entry.text[0]) + 1];
  for (size_t byte = 1; byte < by_first_.size(); ++byte) by_first_[byte] += by_first_[byte - 1];
}

SpecialMatcher::Match SpecialMatcher::find(std::string_view text, size_t from) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    const auto first_byte = static_cast<uint8_t>(text[begin]);
    auto low = entries_.begin() + by_first_[first_byte];
    auto high = entries_.begin() + by_first_[first_byte + 1];
    Match best{begin, 0, -1};
    for (size_t size = 1; low != high; ++size) {
      // [low, high) agree with the input in their first `size` bytes.
      if (low->text.size() == size) {
        best = {begin, size, low->token};
        while (low != high && low->text.size() == size) ++low;
      }
      if (begin + size >= text.size()) break;
      const auto next = static_cast<uint8_t>(text[begin + size]);
      low = std::partition_point(
          low, high, [&](const Entry& e) { return static_cast<uint8_t>(e.text[size]) < next; });
      high = std::partition_point(
          low, high, [&](const Entry& e) { return static_cast<uint8_t>(e.text[size]) <= next; });
    }
    if (best.token >= 0) return best;
  }
  return {text.size(), 0, -1};
}

}  // namespace hearth::tokenizer
