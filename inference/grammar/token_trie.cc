#include "grammar/token_trie.h"

#include <algorithm>
#include <array>

namespace hearth::grammar {

namespace {

constexpr size_t kMaxBytes = 4096;  // of a token; longer ones are never let in

std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> out{};
  uint8_t next = 6;
  for (int byte = 0; byte < 256; ++byte) {
    uint8_t& c = out[static_cast<size_t>(byte)];
    if (byte >= 'a' && byte <= 'z')
      c = 0;
    else if (byte >= 'A' && byte <= 'Z')
      c = 1;
    else if (byte >= '0' && byte <= '9')
      c = 2;
    else if (byte < 0x20 || byte == 0x7F)
      c = byte == '\n' ? 3 : 4;
    else if (byte >= 0x80)
      c = 5;
    else
      c = next++;  // 33 kinds of space and punctuation
  }
  return out;
}

}  // namespace

uint64_t TokenTrie::class_of(uint8_t byte) {
  static const std::array<uint8_t, 256> classes = make_classes();
  return uint64_t{1} << classes[byte];
}

TokenTrie::TokenTrie(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::erase_if(entries_,
                [](const Entry& e) { return e.bytes.empty() || e.bytes.size() > kMaxBytes; });
  std::ranges::sort(entries_, [](const Entry& a, const Entry& b) {
    return std::pair<std::string_view, Token>(a.bytes, a.token) <
           std::pair<std::string_view, Token>(b.bytes, b.token);
  });
  nodes_.push_back({0, 0, 0, 0, 0});
  std::vector<uint32_t> path = {0};
  const auto close = [&] {
    const uint32_t node = path.back();
    path.pop_back();
    nodes_[node].end = static_cast<uint32_t>(nodes_.size());
    if (!path.empty())
      nodes_[path.back()].below |= nodes_[node].below | class_of(nodes_[node].byte);
  };
  std::string_view before;
  for (const Entry& entry : entries_) {
    const std::string_view bytes = entry.bytes;
    size_t n_common = 0;
    while (n_common < std::min(before.size(), bytes.size()) && before[n_common] == bytes[n_common])
      ++n_common;
    while (path.size() > n_common + 1) close();
    for (size_t i = n_common; i < bytes.size(); ++i) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({0, static_cast<uint32_t>(tokens_.size()), 0, static_cast<uint8_t>(bytes[i]),
                        static_cast<uint16_t>(i + 1)});
    }
    tokens_.push_back(entry.token);
    longest_ = std::max(longest_, static_cast<uint32_t>(bytes.size()));
    before = bytes;
  }
  while (!path.empty()) close();
  nodes_.push_back({0, static_cast<uint32_t>(tokens_.size()), 0, 0, 0});
}

}  // namespace hearth::grammar
