#include "support/json.h"

#include <boost/json/parse.hpp>

namespace hearth::json {

namespace {

std::string_view kind_of(Element element) {
  switch (element.type()) {
    case simdjson::dom::element_type::ARRAY: return "an array";
    case simdjson::dom::element_type::OBJECT: return "an object";
    case simdjson::dom::element_type::STRING: return "a string";
    case simdjson::dom::element_type::BOOL: return "a boolean";
    case simdjson::dom::element_type::NULL_VALUE: return "null";
    default: return "a number";
  }
}

}  // namespace

Result<Document> Document::parse(std::string_view text, size_t max_depth) {
  auto parser = std::make_unique<simdjson::dom::parser>();
  auto failed = parser->allocate(text.size() + 1, max_depth);
  if (!failed) failed = parser->parse(text.data(), text.size()).error();
  if (failed)
    return Error{Errc::invalid, std::string("not valid JSON: ") + simdjson::error_message(failed)};
  return Document(std::move(parser));
}

Value to_value(Element element) {
  switch (element.type()) {
    case simdjson::dom::element_type::ARRAY: {
      Array array;
      for (Element item : simdjson::dom::array(element)) array.push_back(to_value(item));
      return array;
    }
    case simdjson::dom::element_type::OBJECT: {
      Object object;
      for (auto [key, value] : simdjson::dom::object(element)) object[key] = to_value(value);
      return object;
    }
    case simdjson::dom::element_type::STRING: return Value(std::string_view(element));
    case simdjson::dom::element_type::BOOL: return Value(bool(element));
    case simdjson::dom::element_type::INT64: return Value(int64_t(element));
    case simdjson::dom::element_type::UINT64: return Value(uint64_t(element));
    case simdjson::dom::element_type::DOUBLE: return Value(double(element));
    case simdjson::dom::element_type::NULL_VALUE: return Value(nullptr);
  }
  return Value(nullptr);
}

Result<Value> parse_value(std::string_view text) {
  auto document = Document::parse(text);
  if (!document) return document.error();
  return to_value(document->root());
}

std::string to_text(Element element) { return simdjson::minify(element); }

std::string quote(std::string_view text) { return boost::json::serialize(Value(text)); }

namespace detail {

Error type_error(const std::string& path, std::string_view expected, Element actual) {
  return {Errc::invalid,
          path + ": expected " + std::string(expected) + ", got " + std::string(kind_of(actual))};
}

Error missing(const std::string& path) { return {Errc::invalid, path + ": missing"}; }

Error out_of_range(const std::string& path) { return {Errc::invalid, path + ": out of range"}; }

Value write_raw(const RawJson& raw) {
  auto value = parse_value(raw.text);
  return value ? std::move(*value) : Value(nullptr);
}

}  // namespace detail
}  // namespace hearth::json
