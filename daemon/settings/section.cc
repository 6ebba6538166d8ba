#include "settings/section.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <utility>

namespace hearth::settings {

namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr Unit kByteUnits[] = {{"B", 1},
                               {"KB", 1000},
                               {"KiB", 1ull << 10},
                               {"MB", 1000'000},
                               {"MiB", 1ull << 20},
                               {"GB", 1000'000'000},
                               {"GiB", 1ull << 30},
                               {"TB", 1000'000'000'000},
                               {"TiB", 1ull << 40}};
constexpr Unit kTimeUnits[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};

// "5m", "32 MiB", "0": digits, then a unit; zero needs none.
template <size_t N>
std::optional<uint64_t> with_unit(std::string_view text, const Unit (&units)[N]) {
  uint64_t number = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc()) return std::nullopt;
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  if (unit.empty() && number == 0) return 0;
  for (const Unit& each : units) {
    if (each.name != unit) continue;
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / each.factor)
      return std::nullopt;
    return number * each.factor;
  }
  return std::nullopt;
}

// Letters to insert, remove, replace or swap with their neighbour ("prot" is one away from "port").
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before, above, row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(above, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

void Fault::fail(const toml::source_region& at, std::string message) {
  if (error) return;
  const std::string& name = at.path ? *at.path : file;
  error = Error{Errc::invalid, fmt::format("{}:{}: {}", name, at.begin.line, message)};
}

void Fault::fail(const toml::node& at, std::string_view key, std::string_view expected) {
  fail(at.source(), fmt::format("{}: expected {}", key, expected));
}

std::string Section::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const toml::node* Section::find(std::string_view key) {
  known_.emplace(key);
  return table_.get(key);
}

void Section::read(std::string_view key, bool& out) {
  const toml::node* node = find(key);
  if (!node) return;
  if (auto value = node->value_exact<bool>())
    out = *value;
  else
    fault_.fail(*node, path_of(key), "true or false");
}

void Section::read(std::string_view key, std::string& out) {
  const toml::node* node = find(key);
  if (!node) return;
  if (auto value = node->value_exact<std::string_view>())
    out = std::string(*value);
  else
    fault_.fail(*node, path_of(key), "a string");
}

void Section::read(std::string_view key, std::optional<double>& out, double low, double high) {
  const toml::node* node = find(key);
  if (!node) return;
  auto value = node->is_number() ? node->value<double>() : std::nullopt;
  if (value && *value >= low && *value <= high)
    out = *value;
  else
    fault_.fail(*node, path_of(key), fmt::format("a number from {} to {}", low, high));
}

void Section::read(std::string_view key, double& out, double low, double high) {
  std::optional<double> value;
  read(key, value, low, high);
  if (value) out = *value;
}

std::optional<int64_t> Section::integer(std::string_view key, int64_t low, int64_t high) {
  const toml::node* node = find(key);
  if (!node) return std::nullopt;
  auto value = node->value_exact<int64_t>();
  if (value && *value >= low && *value <= high) return value;
  fault_.fail(*node, path_of(key), fmt::format("an integer from {} to {}", low, high));
  return std::nullopt;
}

void Section::read(std::string_view key, std::vector<std::string>& out) {
  const toml::node* node = find(key);
  if (!node) return;
  if (auto one = node->value_exact<std::string_view>()) {
    out = {std::string(*one)};
    return;
  }
  const toml::array* list = node->as_array();
  out.clear();
  for (size_t i = 0; list && i < list->size(); ++i) {
    auto item = list->get(i)->value_exact<std::string_view>();
    if (!item) return fault_.fail(*list->get(i), path_of(key), "strings");
    out.emplace_back(*item);
  }
  if (!list) fault_.fail(*node, path_of(key), "a string or a list of strings");
}

void Section::place(std::string_view key, std::string& out) {
  read(key, out);
  out = placed(key, out);
}

void Section::place(std::string_view key, std::vector<std::string>& out) {
  read(key, out);
  for (std::string& path : out) path = placed(key, path);
}

std::string Section::placed(std::string_view key, const std::string& path) {
  const toml::node* node = table_.get(key);
  if (!node || path.empty()) return path;
  if (path == "~" || path.starts_with("~/")) {
    const char* home = std::getenv("HOME");
    if (home && *home == '/') return home + path.substr(1);
    fault_.fail(*node, path_of(key), "a path without ~, since HOME is not set");
    return path;
  }
  const toml::source_path_ptr& from = node->source().path;
  const std::filesystem::path folder = from ? std::filesystem::path(*from).parent_path() : "";
  return (folder / path).lexically_normal();
}

void Section::bytes(std::string_view key, uint64_t& out, uint64_t low) {
  const toml::node* node = find(key);
  if (!node) return;
  auto number = node->value_exact<int64_t>();
  auto text = node->value_exact<std::string_view>();
  auto value = text ? with_unit(*text, kByteUnits) : std::nullopt;
  if (number && *number >= 0) value = static_cast<uint64_t>(*number);
  if (value && *value >= low) {
    out = *value;
    return;
  }
  const std::string least = low ? fmt::format(", at least {} bytes", low) : "";
  fault_.fail(*node, path_of(key), "a size such as 1048576, \"32MiB\" or \"4GiB\"" + least);
}

void Section::duration(std::string_view key, std::chrono::seconds& out) {
  const toml::node* node = find(key);
  if (!node) return;
  auto number = node->value_exact<int64_t>();
  auto text = node->value_exact<std::string_view>();
  auto value = text ? with_unit(*text, kTimeUnits) : std::nullopt;
  constexpr int64_t kMaxSeconds = 10ll * 365 * 86400;
  if (value && *value <= static_cast<uint64_t>(kMaxSeconds)) number = static_cast<int64_t>(*value);
  if (number && *number >= 0 && *number <= kMaxSeconds)
    out = std::chrono::seconds(*number);
  else
    fault_.fail(*node, path_of(key), "seconds, or a time such as \"30s\", \"5m\", \"2h\"");
}

const toml::table* Section::table(std::string_view key) {
  const toml::node* node = find(key);
  if (node && !node->is_table()) fault_.fail(*node, path_of(key), "a table");
  return node ? node->as_table() : nullptr;
}

const toml::array* Section::array(std::string_view key) {
  const toml::node* node = find(key);
  if (node && !node->is_array()) fault_.fail(*node, path_of(key), "a list");
  return node ? node->as_array() : nullptr;
}

void Section::refuse(std::string_view key, std::string_view expected) {
  const toml::node* at = find(key);
  fault_.fail(at ? *at : static_cast<const toml::node&>(table_), path_of(key), expected);
}

void Section::each(std::string_view group, const std::function<void(Section, std::string)>& read) {
  const toml::table* tables = table(group);
  if (!tables) return;
  std::vector<std::pair<std::string, const toml::node*>> found;
  for (const auto& [key, node] : *tables) found.emplace_back(key.str(), &node);
  auto position = [](const auto& entry) {
    const toml::source_position& begin = entry.second->source().begin;
    return std::pair(begin.line, begin.column);
  };
  std::ranges::sort(found, {}, position);
  for (const auto& [name, node] : found) {
    std::string path = fmt::format("{}.{}", path_of(group), name);
    if (!node->is_table())
      fault_.fail(*node, path, "a table");
    else
      read(Section(*node->as_table(), path, fault_), name);
  }
}

void Section::finish() const {
  for (const auto& [key, node] : table_) {
    if (known_.contains(key.str())) continue;
    auto suggestion = nearest(key.str(), known_);
    std::string hint = suggestion ? fmt::format("; did you mean \"{}\"?", *suggestion) : "";
    if (!suggestion && !known_.empty()) {
      hint = "; known here:";
      for (const std::string& known : known_) hint += " " + known;
    }
    fault_.fail(key.source(), fmt::format("unknown key \"{}\"{}", path_of(key.str()), hint));
  }
}

std::optional<std::string> nearest(std::string_view word,
                                   const std::set<std::string, std::less<>>& candidates) {
  std::optional<std::string> best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    size_t distance = edit_distance(word, candidate);
    if (distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

}  // namespace hearth::settings
