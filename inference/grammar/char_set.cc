#include "grammar/char_set.h"

#include <algorithm>

namespace hearth::grammar {

namespace {

constexpr CharSet::Range kSurrogates{0xD800, 0xDFFF};

size_t n_bytes_of(uint32_t code_point) {
  return code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
}

}  // namespace

CharSet::CharSet(std::initializer_list<Range> ranges) {
  for (Range range : ranges) add(range.first, range.last);
}

void CharSet::add(uint32_t first, uint32_t last) {
  last = std::min(last, kMaxCodePoint);
  if (first > last) return;
  if (first <= kSurrogates.last && last >= kSurrogates.first) {
    if (first < kSurrogates.first) add(first, kSurrogates.first - 1);
    if (last > kSurrogates.last) add(kSurrogates.last + 1, last);
    return;
  }
  // Those that touch or overlap become one.
  auto begin = std::ranges::find_if(ranges_, [&](Range r) { return r.last + 1 >= first; });
  auto end = begin;
  for (; end != ranges_.end() && end->first <= last + 1; ++end) {
    first = std::min(first, end->first);
    last = std::max(last, end->last);
  }
  ranges_.insert(ranges_.erase(begin, end), {first, last});
}

CharSet CharSet::operator|(const CharSet& other) const {
  CharSet out = *this;
  for (Range range : other.ranges_) out.add(range.first, range.last);
  return out;
}

CharSet CharSet::operator&(const CharSet& other) const {
  CharSet out;
  for (size_t i = 0, j = 0; i < ranges_.size() && j < other.ranges_.size();) {
    const Range a = ranges_[i], b = other.ranges_[j];
    const Range both{std::max(a.first, b.first), std::min(a.last, b.last)};
    if (both.first <= both.last) out.ranges_.push_back(both);
    a.last < b.last ? ++i : ++j;
  }
  return out;
}

CharSet CharSet::complement() const {
  CharSet out;
  uint32_t next = 0;
  for (Range range : ranges_) {
    if (range.first > next) out.add(next, range.first - 1);
    next = range.last + 1;
  }
  if (next <= kMaxCodePoint) out.add(next, kMaxCodePoint);
  return out;
}

bool CharSet::contains(uint32_t code_point) const {
  auto at = std::ranges::upper_bound(ranges_, code_point, {}, &Range::first);
  return at != ranges_.begin() && std::prev(at)->last >= code_point;
}

// Cut so that all but the leading bytes that differ run over their whole range (Cox, "Regular
// expression matching in the wild", 2010).
void for_each_utf8(CharSet::Range range,
                   const std::function<void(std::span<const ByteRange>)>& tell) {
  const auto [first, last] = range;
  for (uint32_t limit : {0x7Fu, 0x7FFu, 0xFFFFu})
    if (first <= limit && last > limit) {
      for_each_utf8({first, limit}, tell);
      return for_each_utf8({limit + 1, last}, tell);
    }
  const size_t n = n_bytes_of(last);
  for (size_t i = 1; i < n; ++i) {
    const uint32_t low = (1u << (6 * i)) - 1;
    if ((first & ~low) == (last & ~low)) continue;
    if ((first & low) != 0) {
      for_each_utf8({first, first | low}, tell);
      return for_each_utf8({(first | low) + 1, last}, tell);
    }
    if ((last & low) != low) {
      for_each_utf8({first, (last & ~low) - 1}, tell);
      return for_each_utf8({last & ~low, last}, tell);
    }
  }
  std::string from, to;
  append_utf8(from, first);
  append_utf8(to, last);
  ByteRange bytes[4];
  for (size_t i = 0; i < n; ++i)
    bytes[i] = {static_cast<uint8_t>(from[i]), static_cast<uint8_t>(to[i])};
  tell({bytes, n});
}

void append_utf8(std::string& out, uint32_t c) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

bool decode_utf8(std::string_view text, std::vector<uint32_t>& out) {
  for (size_t at = 0; at < text.size();) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
    const uint8_t head = byte(0);
    const size_t n = head < 0x80 ? 1 : head < 0xC2 ? 0 : head < 0xE0 ? 2 : head < 0xF0 ? 3 : 4;
    if (n == 0 || head > 0xF4 || at + n > text.size()) return false;
    uint32_t c = n == 1 ? head : head & (0x7Fu >> n);
    for (size_t i = 1; i < n; ++i) {
      if ((byte(i) & 0xC0) != 0x80) return false;
      c = c << 6 | (byte(i) & 0x3F);
    }
    if (n_bytes_of(c) != n || c > kMaxCodePoint ||
        (c >= kSurrogates.first && c <= kSurrogates.last))
      return false;
    out.push_back(c);
    at += n;
  }
  return true;
}

}  // namespace hearth::grammar
