// What stands for a text: a quick key for this process's memory, a digest for records.
//
// Pure; any thread.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hearth::router {

// Keyed at random when the process starts, so that no text can be made to be taken for another.
struct TextKey {
  uint64_t high = 0, low = 0;
  auto operator<=>(const TextKey&) const = default;
};

struct TextKeyHash {
  size_t operator()(const TextKey& key) const { return key.low; }
};

// About 10 GB/s.
TextKey text_key(std::string_view text);

// The first half of its SHA-256, 32 hexadecimal digits: `printf %s TEXT | sha256sum | cut -c-32`.
std::string text_digest(std::string_view text);

}  // namespace hearth::router
