// JSON: simdjson reads, Boost.JSON writes, records (record.h) are what the rest of the code sees.
//
//   auto start = json::decode<TurnStart>(text);      // Result<TurnStart>; the error names the path
//   std::string text = json::encode(reply);
//
// Text from outside is hostile: depth, size and UTF-8 are checked before any tree is built.
// Thread: free functions, any thread (one parser per thread inside).
#pragma once

#include <simdjson.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/record.h"
#include "support/result.h"

namespace hearth::json {

using Element = simdjson::dom::element;
using Value = boost::json::value;  // a document to build; keeps insertion order
using Object = boost::json::object;
using Array = boost::json::array;

inline constexpr size_t kMaxDepth = 64;

// A parsed document. Elements borrow from it and from nothing else (the text may go).
class Document {
 public:
  static Result<Document> parse(std::string_view text, size_t max_depth = kMaxDepth);
  Element root() const { return parser_->doc.root(); }

 private:
  explicit Document(std::unique_ptr<simdjson::dom::parser> parser) : parser_(std::move(parser)) {}
  std::unique_ptr<simdjson::dom::parser> parser_;
};

// Text -> Boost.JSON tree, for the few places that edit documents. Same limits as Document.
Result<Value> parse_value(std::string_view text);
Value to_value(Element element);
std::string to_text(Element element);  // minified
std::string quote(std::string_view text);

namespace detail {

using hearth::detail::is_optional;
using hearth::detail::is_variant;
using hearth::detail::is_vector;

Error type_error(const std::string& path, std::string_view expected, Element actual);
Error missing(const std::string& path);
Error out_of_range(const std::string& path);

template <class T>
Result<> read(Element element, const std::string& path, T& out);

template <class... Alternatives>
Result<> read_variant(Element element, const std::string& path,
                      std::variant<Alternatives...>& out) {
  std::string_view type;
  if (element["type"].get_string().get(type)) return missing(path + ".type");
  Result<> outcome =
      Error{Errc::invalid, path + ".type: unknown type \"" + std::string(type) + "\""};
  auto try_one = [&]<class A>() {
    if (type != A::kType) return false;
    A value;
    outcome = read(element, path, value);
    if (outcome) out = std::move(value);
    return true;
  };
  (try_one.template operator()<Alternatives>() || ...);
  return outcome;
}

struct Reader {
  Element element;
  const std::string& path;
  std::optional<Error> error;

  template <class T>
  void operator()(std::string_view name, T& member) {
    read_field(name, member,
               !is_optional<T>::value && !is_vector<T>::value && !std::is_same_v<T, RawJson>);
  }
  template <class T>
  void or_default(std::string_view name, T& member) {
    read_field(name, member, false);
  }

 private:
  template <class T>
  void read_field(std::string_view name, T& member, bool required) {
    if (error) return;
    std::string at = path + "." + std::string(name);
    if constexpr (is_variant<T>::value) {  // a variant member lies flat in its record
      if (auto done = read_variant(element, path, member); !done) error = done.error();
      return;
    }
    Element value;
    if (element[name].get(value)) {
      if (required) error = missing(at);
      return;
    }
    if (value.is_null() && !required) return;
    if constexpr (!is_variant<T>::value)
      if (auto done = read(value, at, member); !done) error = done.error();
  }
};

template <class T>
Result<> read(Element element, const std::string& path, T& out) {
  if constexpr (std::is_same_v<T, bool>) {
    if (element.get_bool().get(out)) return type_error(path, "a boolean", element);
  } else if constexpr (NamedEnum<T>) {
    std::string_view text;
    if (element.get_string().get(text)) return type_error(path, "a string", element);
    auto value = enum_from_name<T>(text);
    if (!value) return Error{Errc::invalid, path + ": unknown value \"" + std::string(text) + "\""};
    out = *value;
  } else if constexpr (std::is_floating_point_v<T>) {
    double number;
    if (element.get_double().get(number)) return type_error(path, "a number", element);
    out = static_cast<T>(number);
  } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
    int64_t number;
    if (element.get_int64().get(number)) return type_error(path, "an integer", element);
    if (number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max())
      return out_of_range(path);
    out = static_cast<T>(number);
  } else if constexpr (std::is_integral_v<T>) {
    uint64_t number;
    if (element.get_uint64().get(number))
      return type_error(path, "a non-negative integer", element);
    if (number > std::numeric_limits<T>::max()) return out_of_range(path);
    out = static_cast<T>(number);
  } else if constexpr (std::is_same_v<T, std::string>) {
    std::string_view text;
    if (element.get_string().get(text)) return type_error(path, "a string", element);
    out.assign(text);
  } else if constexpr (std::is_same_v<T, RawJson>) {
    out.text = to_text(element);
  } else if constexpr (is_optional<T>::value) {
    out.emplace();
    return read(element, path, *out);
  } else if constexpr (is_vector<T>::value) {
    simdjson::dom::array array;
    if (element.get_array().get(array)) return type_error(path, "an array", element);
    out.clear();
    for (Element item : array) {
      out.emplace_back();
      if (auto done = read(item, path + "[" + std::to_string(out.size() - 1) + "]", out.back());
          !done)
        return done;
    }
  } else if constexpr (requires { typename T::mapped_type; }) {  // std::map<std::string, V>
    simdjson::dom::object object;
    if (element.get_object().get(object)) return type_error(path, "an object", element);
    out.clear();
    for (auto [key, value] : object)
      if (auto done = read(value, path + "." + std::string(key), out[std::string(key)]); !done)
        return done;
  } else {
    static_assert(Record<T>);
    if (!element.is_object()) return type_error(path, "an object", element);
    Reader reader{element, path, std::nullopt};
    T::fields(out, reader);
    if (reader.error) return *reader.error;
  }
  return {};
}

template <class T>
Value write(const T& value);

struct Writer {
  Object& object;

  template <class T>
  void operator()(std::string_view name, const T& member) {
    if constexpr (is_optional<T>::value) {
      if (member) object[name] = write(*member);
    } else if constexpr (is_variant<T>::value) {
      std::visit(
          [&]<class A>(const A& alternative) {
            object["type"] = A::kType;
            A::fields(alternative, *this);
          },
          member);
    } else if constexpr (std::is_same_v<T, RawJson>) {
      if (!member.text.empty()) object[name] = write(member);
    } else {
      object[name] = write(member);
    }
  }
  template <class T>
  void or_default(std::string_view name, const T& member) {
    if constexpr (requires { member.empty(); })
      if (member.empty()) return;
    (*this)(name, member);
  }
};

Value write_raw(const RawJson& raw);

template <class T>
Value write(const T& value) {
  if constexpr (NamedEnum<T>) {
    return Value(enum_name(value));
  } else if constexpr (std::is_same_v<T, bool> || std::is_arithmetic_v<T> ||
                       std::is_convertible_v<T, std::string_view>) {
    return Value(value);
  } else if constexpr (std::is_same_v<T, RawJson>) {
    return write_raw(value);
  } else if constexpr (is_optional<T>::value) {
    return value ? write(*value) : Value(nullptr);
  } else if constexpr (is_vector<T>::value) {
    Array array;
    array.reserve(value.size());
    for (const auto& item : value) array.push_back(write(item));
    return array;
  } else if constexpr (requires { typename T::mapped_type; }) {
    Object object;
    for (const auto& [key, item] : value) object[key] = write(item);
    return object;
  } else {
    static_assert(Record<T>);
    Object object;
    Writer writer{object};
    T::fields(value, writer);
    return object;
  }
}

}  // namespace detail

// Decodes a record (or vector, or map) from an element or from text. The error's message starts
// with the JSON path, for example "params.input[0].text: expected a string, got a number".
template <class T>
Result<T> decode(Element element, const std::string& path = "params") {
  T value{};
  if (auto done = detail::read(element, path, value); !done) return done.error();
  return value;
}

template <class T>
Result<T> decode(std::string_view text, const std::string& path = "body") {
  auto document = Document::parse(text);
  if (!document) return document.error();
  return decode<T>(document->root(), path);
}

template <class T>
Value to_value(const T& record) {
  return detail::write(record);
}

template <class T>
std::string encode(const T& record) {
  return boost::json::serialize(detail::write(record));
}

}  // namespace hearth::json
