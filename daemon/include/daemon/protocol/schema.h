// The shape of a record as JSON, for editors/protocol.json: read off the same field list that
// decodes and encodes it, so the file cannot drift from the code.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "support/json.h"
#include "support/record.h"

namespace hearth {

struct MethodSchema {
  json::Value params;
  json::Value result;
};

template <class T>
json::Value schema_of();

namespace detail {

template <class T>
struct map_value {};
template <class V>
struct map_value<std::map<std::string, V>> {
  using type = V;
};

struct SchemaWriter {
  json::Object& properties;
  json::Array& required;

  template <class T>
  void operator()(std::string_view name, T&) {
    add<T>(name, !is_optional<T>::value && !is_vector<T>::value && !std::is_same_v<T, RawJson>);
  }
  template <class T>
  void or_default(std::string_view name, T&) {
    add<T>(name, false);
  }

 private:
  template <class T>
  void add(std::string_view name, bool is_required) {
    if constexpr (is_variant<T>::value) {  // lies flat in its record, told apart by "type"
      properties["type"] = json::Object{{"oneOf", schema_of<T>()}};
      required.push_back(json::Value("type"));
    } else {
      properties[name] = schema_of<T>();
      if (is_required) required.push_back(json::Value(name));
    }
  }
};

template <class... A>
json::Value variant_schema(std::variant<A...>*) {
  json::Array alternatives;
  (alternatives.push_back(json::Object{{"type", A::kType}, {"fields", schema_of<A>()}}), ...);
  return alternatives;
}

}  // namespace detail

template <class T>
json::Value schema_of() {
  if constexpr (std::is_same_v<T, bool>) {
    return json::Object{{"type", "boolean"}};
  } else if constexpr (NamedEnum<T>) {
    json::Array names;
    for (const auto& [value, name] : EnumNames<T>::names) names.push_back(json::Value(name));
    return json::Object{{"enum", names}};
  } else if constexpr (std::is_integral_v<T>) {
    return json::Object{{"type", "integer"}};
  } else if constexpr (std::is_floating_point_v<T>) {
    return json::Object{{"type", "number"}};
  } else if constexpr (std::is_same_v<T, std::string>) {
    return json::Object{{"type", "string"}};
  } else if constexpr (std::is_same_v<T, RawJson>) {
    return json::Object{};  // any JSON
  } else if constexpr (detail::is_optional<T>::value) {
    return schema_of<typename T::value_type>();
  } else if constexpr (detail::is_vector<T>::value) {
    return json::Object{{"type", "array"}, {"items", schema_of<typename T::value_type>()}};
  } else if constexpr (detail::is_variant<T>::value) {
    return detail::variant_schema(static_cast<T*>(nullptr));
  } else if constexpr (requires { typename T::mapped_type; }) {
    return json::Object{{"type", "object"}, {"values", schema_of<typename T::mapped_type>()}};
  } else {
    static_assert(Record<T>);
    json::Object properties;
    json::Array required;
    T record{};
    detail::SchemaWriter writer{properties, required};
    T::fields(record, writer);
    return json::Object{{"type", "object"}, {"properties", properties}, {"required", required}};
  }
}

}  // namespace hearth
