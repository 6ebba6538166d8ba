// The other direction of a list of keys (section.h): a record as TOML that reads as the same
// record.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "settings/toml.h"
#include "support/record.h"

namespace hearth::settings {

// Takes the same keys as Section. Empty strings, lists and optionals are left out.
class Printer {
 public:
  template <class T, class... Bounds>
  void operator()(std::string_view key, const T& value, Bounds...) {
    if constexpr (detail_is_optional<T>) {
      if (value) (*this)(key, *value);
    } else if constexpr (NamedEnum<T>) {
      table_.insert(key, enum_name(value));
    } else if constexpr (std::is_same_v<T, bool> || std::is_floating_point_v<T>) {
      table_.insert(key, value);
    } else if constexpr (std::is_integral_v<T>) {
      table_.insert(key, static_cast<int64_t>(value));
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (!value.empty()) table_.insert(key, value);
    } else {
      toml::array list;
      for (const std::string& each : value) list.push_back(each);
      if (!list.empty()) table_.insert(key, std::move(list));
    }
  }
  void bytes(std::string_view key, uint64_t value, uint64_t = 0) { (*this)(key, value); }
  void place(std::string_view key, const auto& value) { (*this)(key, value); }
  void duration(std::string_view key, std::chrono::seconds value) { (*this)(key, value.count()); }
  template <class Get, class Set>
  void required(std::string_view key, Get get, Set) {
    table_.insert(key, get());
  }
  template <class T, class Show, class Parse>
  void text(std::string_view key, const std::optional<T>& value, Show show, Parse,
            std::string_view) {
    if (value) table_.insert(key, show(*value));
  }
  template <class T, class Keys>
  void list(std::string_view key, const std::vector<T>& values, Keys keys) {
    toml::array tables;
    for (const T& value : values) {
      Printer inner;
      keys(value, inner);
      inner.table_.is_inline(true);
      tables.push_back(std::move(inner.table_));
    }
    if (!tables.empty()) table_.insert(key, std::move(tables));
  }
  template <class T, class Keys>
  void nested(std::string_view key, const std::optional<T>& value, Keys keys) {
    if (!value) return;
    Printer inner;
    keys(*value, inner);
    table_.insert(key, std::move(inner.table_));
  }

  // One that is always there is left out when nothing of it is said.
  template <class T, class Keys>
  void nested(std::string_view key, const T& value, Keys keys) {
    Printer inner;
    keys(value, inner);
    if (!inner.table_.empty()) table_.insert(key, std::move(inner.table_));
  }

  // As [group] or [group.name]; an empty table too.
  std::string section(std::string_view group) const;
  std::string section(std::string_view group, std::string_view name) const;
  // As [[group]].
  std::string item(std::string_view group) const;

 private:
  template <class T>
  static constexpr bool detail_is_optional = hearth::detail::is_optional<T>::value;

  toml::table table_;
};

}  // namespace hearth::settings
