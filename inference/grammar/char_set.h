// A set of Unicode scalar values, and how it looks in UTF-8. Plain value, any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::grammar {

inline constexpr uint32_t kMaxCodePoint = 0x10FFFF;

class CharSet {
 public:
  struct Range {
    uint32_t first, last;
    bool operator==(const Range&) const = default;
  };

  CharSet() = default;
  // Surrogates, which are no characters, are left out of every set.
  CharSet(std::initializer_list<Range> ranges);
  static CharSet of(uint32_t code_point) { return {{code_point, code_point}}; }
  static CharSet all() { return {{0, kMaxCodePoint}}; }

  void add(uint32_t first, uint32_t last);
  CharSet operator|(const CharSet& other) const;
  CharSet operator&(const CharSet& other) const;
  CharSet operator-(const CharSet& other) const { return *this & other.complement(); }
  CharSet complement() const;

  bool contains(uint32_t code_point) const;
  bool is_empty() const { return ranges_.empty(); }
  // Sorted, disjoint, with a gap between any two.
  std::span<const Range> ranges() const { return ranges_; }
  bool operator==(const CharSet&) const = default;

 private:
  std::vector<Range> ranges_;
};

struct ByteRange {
  uint8_t first, last;
};

// The encodings of a range as few products of byte ranges, each told once.
void for_each_utf8(CharSet::Range range,
                   const std::function<void(std::span<const ByteRange>)>& tell);

void append_utf8(std::string& out, uint32_t code_point);
// The code points of a text. False when it is no UTF-8.
bool decode_utf8(std::string_view text, std::vector<uint32_t>& out);

}  // namespace hearth::grammar
