#include "gguf/split.h"

#include <fmt/format.h>

#include <charconv>

namespace hearth::gguf {

namespace {

std::optional<size_t> five_digits(std::string_view text) {
  size_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<SplitName> parse_split_name(std::string_view path) {
  constexpr std::string_view kForm = "-00001-of-00001.gguf";
  if (path.size() < kForm.size()) return std::nullopt;
  std::string_view end = path.substr(path.size() - kForm.size());
  if (end[0] != '-' || end.substr(6, 4) != "-of-" || end.substr(15) != ".gguf") return std::nullopt;
  auto number = five_digits(end.substr(1, 5));
  auto count = five_digits(end.substr(10, 5));
  if (!number || !count || *number == 0 || *number > *count) return std::nullopt;
  return SplitName{std::string(path.substr(0, path.size() - kForm.size())), *number, *count};
}

std::string shard_path(const SplitName& name, size_t number) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", name.prefix, number, name.count);
}

}  // namespace hearth::gguf
