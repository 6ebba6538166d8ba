#include "dialects/tools.h"

#include <utility>

#include "support/json.h"

namespace hearth::dialects {

namespace {

using json::Element;

constexpr int kMaxDepth = 8;  // of anyOf in anyOf

void add_name(std::string_view name, Types& out) {
  const std::pair<std::string_view, bool&> names[] = {
      {"null", out.null},     {"boolean", out.boolean}, {"integer", out.integer},
      {"number", out.number}, {"string", out.string},   {"array", out.array},
      {"object", out.object}};
  for (const auto& [known, flag] : names)
    if (name == known) flag = true;
  if (name == "number") out.integer = true;
}

void add_type_of(Element value, Types& out) {
  switch (value.type()) {
    case simdjson::dom::element_type::NULL_VALUE: out.null = true; break;
    case simdjson::dom::element_type::BOOL: out.boolean = true; break;
    case simdjson::dom::element_type::INT64:
    case simdjson::dom::element_type::UINT64: out.integer = true; break;
    case simdjson::dom::element_type::DOUBLE: out.number = true; break;
    case simdjson::dom::element_type::STRING: out.string = true; break;
    case simdjson::dom::element_type::ARRAY: out.array = true; break;
    case simdjson::dom::element_type::OBJECT: out.object = true; break;
  }
}

// False when the schema does not say.
bool add_types(Element schema, int depth, Types& out) {
  Element value;
  std::string_view name;
  simdjson::dom::array list;
  if (!schema["type"].get(value)) {
    if (!value.get_string().get(name)) add_name(name, out);
    if (!value.get_array().get(list))
      for (Element item : list)
        if (!item.get_string().get(name)) add_name(name, out);
    return true;
  }
  if (!schema["enum"].get_array().get(list)) {
    for (Element item : list) add_type_of(item, out);
    return true;
  }
  if (!schema["const"].get(value)) {
    add_type_of(value, out);
    return true;
  }
  for (const char* key : {"anyOf", "oneOf"}) {
    if (depth == 0 || schema[key].get_array().get(list)) continue;
    for (Element item : list)
      if (!add_types(item, depth - 1, out)) return false;
    return true;
  }
  return false;
}

}  // namespace

Tools::Tools(std::span<const ToolSpec> specs) {
  for (const ToolSpec& spec : specs) {
    Arguments& arguments = tools_[spec.name];
    auto schema = json::Document::parse(spec.parameters.text);
    simdjson::dom::object properties;
    if (!schema || schema->root()["properties"].get_object().get(properties)) continue;
    for (auto [name, property] : properties) {
      Types types;
      arguments[std::string(name)] = add_types(property, kMaxDepth, types) ? types : Types::any();
    }
  }
}

Types Tools::types_of(std::string_view tool, std::string_view argument) const {
  auto arguments = tools_.find(tool);
  if (arguments == tools_.end()) return Types::any();
  auto types = arguments->second.find(argument);
  return types == arguments->second.end() ? Types::any() : types->second;
}

}  // namespace hearth::dialects
