#include "engine/utf8.h"

#include <string_view>

namespace hearth::engine {

namespace {

struct Lead {
  size_t length;                                  // of the sequence; 0: not a lead byte
  uint8_t second_low = 0x80, second_high = 0xbf;  // narrower where overlong forms, surrogates and
};  // values past U+10FFFF must be kept out

// Unicode 15, table 3-7.
Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1};
  if (byte >= 0xc2 && byte <= 0xdf) return {2};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte >= 0xe1 && byte <= 0xef) return {3};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte >= 0xf1 && byte <= 0xf3) return {4};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {0};
}

// Bytes at the front of `bytes` that are right so far for `lead`.
size_t matching_bytes(std::string_view bytes, Lead lead) {
  size_t n = 1;
  for (; n < lead.length && n < bytes.size(); ++n) {
    uint8_t byte = static_cast<uint8_t>(bytes[n]);
    uint8_t low = n == 1 ? lead.second_low : 0x80, high = n == 1 ? lead.second_high : 0xbf;
    if (byte < low || byte > high) break;
  }
  return n;
}

}  // namespace

void move_whole_utf8(std::string& bytes, std::string& text, bool at_end) {
  std::string_view left = bytes;
  while (!left.empty()) {
    Lead lead = lead_of(static_cast<uint8_t>(left[0]));
    size_t n = matching_bytes(left, lead);
    bool is_cut_off = n < lead.length && n == left.size();
    if (is_cut_off && !at_end) break;
    if (n == lead.length)
      text += left.substr(0, n);
    else
      text += "\xef\xbf\xbd";
    left.remove_prefix(n);
  }
  bytes.erase(0, bytes.size() - left.size());
}

}  // namespace hearth::engine
