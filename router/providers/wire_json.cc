#include "providers/wire_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace hearth::router {

using json::Element;

std::optional<std::string_view> text_at(Element object, std::string_view name) {
  std::string_view text;
  if (object[name].get_string().get(text)) return std::nullopt;
  return text;
}

bool has_count(Element object, std::string_view name) {
  return object[name].get_uint64().error() == simdjson::SUCCESS;
}

uint32_t count_at(Element object, std::string_view name) {
  uint64_t count = 0;
  if (object[name].get_uint64().get(count)) return 0;
  return static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX));
}

std::string words_of(std::string_view bytes) {
  constexpr size_t kMaxBytes = 500;
  if (bytes.size() > kMaxBytes) {
    bytes = bytes.substr(0, kMaxBytes);
    while (!bytes.empty() && (bytes.back() & 0xc0) == 0x80)
      bytes.remove_suffix(1);  // not within a character
    if (!bytes.empty() && (bytes.back() & 0x80)) bytes.remove_suffix(1);
  }
  std::string words(bytes);
  bool is_text = simdjson::validate_utf8(words);
  for (char& c : words) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
    if (byte >= 0x80 && !is_text) c = '?';
  }
  return words;
}

double shortest(float value) { return std::strtod(fmt::to_string(value).c_str(), nullptr); }

}  // namespace hearth::router
