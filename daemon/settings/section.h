// Reads TOML tables with every error placed: file, line, key, what was expected. Keys that nobody
// asked for are errors too, with the nearest known key as a suggestion.
//
// The keys of a section are listed once, for reading (Section) and printing (Printer):
//
//   void log_keys(auto& log, auto& key) {
//     key("level", log.level);
//     key.bytes("max_size", log.max_bytes);
//     key("keep", log.keep, 1, 100);
//   }
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "settings/toml.h"
#include "support/record.h"
#include "support/result.h"

namespace hearth::settings {

// The first error wins; reading goes on so that callers need no checks in between.
struct Fault {
  std::string file;  // where a place does not say: a table may be read from several
  std::optional<Error> error;

  void fail(const toml::node& at, std::string_view key, std::string_view expected);
  void fail(const toml::source_region& at, std::string message);
};

// One table and the keys asked of it. finish() reports the keys that were never asked for.
class Section {
 public:
  Section(const toml::table& table, std::string path, Fault& fault)
      : table_(table), path_(std::move(path)), fault_(fault) {}

  template <class T, class... Bounds>
  void operator()(std::string_view key, T& out, Bounds... bounds) {
    read(key, out, bounds...);
  }
  void bytes(std::string_view key, uint64_t& out, uint64_t low = 0);  // 4096 or "4GiB", "32 MB"
  void duration(std::string_view key, std::chrono::seconds& out);     // 300 or "5m", "2h", "0"
  // Of a file or folder: ~ is the home, and what is not absolute counts from the folder of the file
  // that it stands in.
  void place(std::string_view key, std::string& out);
  void place(std::string_view key, std::vector<std::string>& out);
  // A text that must be there: set(text) returns what was expected when it is wrong, else "".
  template <class Get, class Set>
  void required(std::string_view key, Get, Set set) {
    std::string text;
    read(key, text);
    std::string expected = set(std::string_view(text));
    if (!expected.empty()) refuse(key, expected);
  }
  // A text that means a value: parse(text) gives an optional of it.
  template <class T, class Show, class Parse>
  void text(std::string_view key, std::optional<T>& out, Show, Parse parse,
            std::string_view expected) {
    if (!find(key)) return;
    std::string text;
    read(key, text);
    out = parse(std::string_view(text));
    if (!out) refuse(key, expected);
  }
  // A list of tables.
  template <class T, class Keys>
  void list(std::string_view key, std::vector<T>& out, Keys keys) {
    const toml::array* tables = array(key);
    if (!tables) return;
    out.clear();
    for (const toml::node& node : *tables) {
      if (!node.is_table()) return fault_.fail(node, path_of(key), "tables");
      Section section(*node.as_table(), path_of(key), fault_);
      keys(out.emplace_back(), section);
      section.finish();
    }
  }
  // A table of its own; `out` is there when the table is.
  template <class T, class Keys>
  void nested(std::string_view key, std::optional<T>& out, Keys keys) {
    const toml::table* inner = table(key);
    if (!inner) return;
    Section section(*inner, path_of(key), fault_);
    keys(out.emplace(), section);
    section.finish();
  }

  // The same for one that is always there.
  template <class T, class Keys>
  void nested(std::string_view key, T& out, Keys keys) {
    const toml::table* inner = table(key);
    if (!inner) return;
    Section section(*inner, path_of(key), fault_);
    keys(out, section);
    section.finish();
  }

  // Calls read(section, name) for every table of [group.NAME], in the order of the file: a TOML
  // table forgets it.
  void each(std::string_view group, const std::function<void(Section, std::string)>& read);

  // An error at the key when it is there, else at the table.
  void refuse(std::string_view key, std::string_view expected);

  // Marks the key as known; null when absent or not a table (which is an error).
  const toml::table* table(std::string_view key);
  const toml::array* array(std::string_view key);
  const toml::node* find(std::string_view key);
  bool has(std::string_view key) const { return table_.contains(key); }

  std::string path_of(std::string_view key) const;
  Fault& fault() { return fault_; }
  const toml::table& raw() const { return table_; }
  void finish() const;

 private:
  void read(std::string_view key, bool& out);
  void read(std::string_view key, std::string& out);
  void read(std::string_view key, double& out, double low, double high);
  void read(std::string_view key, std::optional<double>& out, double low, double high);
  template <class T>
    requires std::is_integral_v<T>
  void read(std::string_view key, T& out, int64_t low, int64_t high) {
    if (auto value = integer(key, low, high)) out = static_cast<T>(*value);
  }
  template <class T>
    requires std::is_integral_v<T>
  void read(std::string_view key, std::optional<T>& out, int64_t low, int64_t high) {
    if (auto value = integer(key, low, high)) out = static_cast<T>(*value);
  }
  void read(std::string_view key, std::vector<std::string>& out);  // one string or a list of them
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
    fault_.fail(*node, path_of(key), std::string("one of ").append(names));
  }
  std::optional<int64_t> integer(std::string_view key, int64_t low, int64_t high);
  std::string placed(std::string_view key, const std::string& path);

  const toml::table& table_;
  std::string path_;
  Fault& fault_;
  std::set<std::string, std::less<>> known_;
};

// Nothing when no candidate is near (edit distance over a third of the word).
std::optional<std::string> nearest(std::string_view word,
                                   const std::set<std::string, std::less<>>& candidates);

}  // namespace hearth::settings
