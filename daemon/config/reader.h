// Reads TOML tables with every error placed: file, line, key, what was expected. Keys that nobody
// asked for are errors too, with the nearest known key as a suggestion.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/toml.h"
#include "support/record.h"
#include "support/result.h"

namespace hearth::config {

// The first error wins; reading goes on so that callers need no checks in between.
struct Failure {
  std::string file;
  std::optional<Error> error;

  void fail(const toml::node& at, std::string_view key, std::string_view expected);
  void fail(const toml::source_region& at, std::string message);
};

// One table and the keys asked of it. finish() reports the keys that were never asked for.
class Section {
 public:
  Section(const toml::table& table, std::string path, Failure& failure)
      : table_(table), path_(std::move(path)), failure_(failure) {}

  void read(std::string_view key, bool& out);
  void read(std::string_view key, std::string& out);
  void read(std::string_view key, double& out, double low, double high);
  void read(std::string_view key, std::optional<double>& out, double low, double high);
  template <class T>
    requires std::is_integral_v<T>
  void read(std::string_view key, T& out, int64_t low, int64_t high) {
    if (auto value = integer(key, low, high)) out = static_cast<T>(*value);
  }
  void read(std::string_view key, std::vector<std::string>& out);  // one string or a list of them
  void read_bytes(std::string_view key, uint64_t& out);            // 4096 or "4GiB", "32 MB"
  void read_duration(std::string_view key, std::chrono::seconds& out);  // 300 or "5m", "2h", "0"
  template <NamedEnum T>
  void read(std::string_view key, T& out) {
    const toml::node* node = find(key);
    if (!node) return;
    auto text = node->value<std::string_view>();
    auto value = text ? enum_from_name<T>(*text) : std::nullopt;
    if (value) {
      out = *value;
      return;
    }
    std::string names;
    for (const auto& [each, name] : EnumNames<T>::names)
      names += (names.empty() ? "" : ", ") + std::string(name);
    failure_.fail(*node, path_of(key), std::string("one of ").append(names));
  }

  // Marks the key as known; null when absent or not a table (which is an error).
  const toml::table* table(std::string_view key);
  const toml::array* array(std::string_view key);
  const toml::node* find(std::string_view key);

  std::string path_of(std::string_view key) const;
  Failure& failure() { return failure_; }
  const toml::table& raw() const { return table_; }
  void finish() const;

 private:
  std::optional<int64_t> integer(std::string_view key, int64_t low, int64_t high);

  const toml::table& table_;
  std::string path_;
  Failure& failure_;
  std::set<std::string, std::less<>> known_;
};

// Nothing when no candidate is near (edit distance over a third of the word).
std::optional<std::string> nearest(std::string_view word,
                                   const std::set<std::string, std::less<>>& candidates);

}  // namespace hearth::config
