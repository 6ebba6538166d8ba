// Records: plain structs that list their fields once, for every direction and encoding.
//
//   struct TurnStart {
//     std::string session;
//     std::optional<std::string> model;  // absent: the router chooses
//     static void fields(auto& self, auto&& field) {
//       field("session", self.session);
//       field("model", self.model);
//     }
//   };
//
// json.h and binary.h visit that list to decode and encode. On decode, unknown fields are ignored
// (the protocol may grow) and a missing field is an error unless the member is optional, a
// container or listed with field.or_default(name, member): then it keeps its value, and an empty
// string or container is not written.
// An alternative of a std::variant member names itself with `static constexpr std::string_view
// kType`. An enum that travels specialises EnumNames.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "support/result.h"

namespace hearth {

// JSON as text: tool schemas, provider parts. Values and their order stay, the spelling of numbers
// and escapes may not; what has to, a call's arguments, is a string. Empty text means absent.
struct RawJson {
  std::string text;
  bool operator==(const RawJson&) const = default;
};

namespace detail {
struct AnyField {
  void operator()(std::string_view, auto&) const {}
  void or_default(std::string_view, auto&) const {}
};
template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct is_variant : std::false_type {};
template <class... T>
struct is_variant<std::variant<T...>> : std::true_type {};
}  // namespace detail

template <class T>
concept Record = requires(T& record) { T::fields(record, detail::AnyField{}); };

// Specialise with `static constexpr std::pair<Enum, std::string_view> names[]`.
template <class Enum>
struct EnumNames;

template <>
struct EnumNames<Errc> {
  static constexpr std::pair<Errc, std::string_view> names[] = {
      {Errc::invalid, "invalid"},
      {Errc::not_found, "not_found"},
      {Errc::denied, "denied"},
      {Errc::cancelled, "cancelled"},
      {Errc::timeout, "timeout"},
      {Errc::busy, "busy"},
      {Errc::over_budget, "over_budget"},
      {Errc::context_exceeded, "context_exceeded"},
      {Errc::unsupported, "unsupported"},
      {Errc::corrupt, "corrupt"},
      {Errc::io, "io"},
      {Errc::upstream, "upstream"},
      {Errc::internal, "internal"},
  };
};

template <class Enum>
concept NamedEnum = std::is_enum_v<Enum> && requires { EnumNames<Enum>::names; };

template <NamedEnum Enum>
constexpr std::string_view enum_name(Enum value) {
  for (const auto& [candidate, name] : EnumNames<Enum>::names)
    if (candidate == value) return name;
  return "unknown";
}

template <NamedEnum Enum>
constexpr std::optional<Enum> enum_from_name(std::string_view name) {
  for (const auto& [value, candidate] : EnumNames<Enum>::names)
    if (candidate == name) return value;
  return std::nullopt;
}

}  // namespace hearth
