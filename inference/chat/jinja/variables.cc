#include "chat/jinja/variables.h"

#include <algorithm>

#include "chat/jinja/unicode.h"

namespace hearth::jinja {

namespace {

bool is_known_role(std::string_view key, std::string_view text) {
  constexpr std::string_view kRoles[] = {"system", "developer", "user",    "assistant",
                                         "tool",   "function",  "ipython", "model"};
  return key == "role" && std::find(std::begin(kRoles), std::end(kRoles), text) != std::end(kRoles);
}

Value convert(Runtime& runtime, const json::Value& value, std::string_view key, Origin origin) {
  Nesting nesting(runtime);
  runtime.step();
  switch (value.kind()) {
    case boost::json::kind::null: return Value::none();
    case boost::json::kind::bool_: return Value::boolean(value.get_bool());
    case boost::json::kind::int64: return Value::integer(value.get_int64());
    case boost::json::kind::uint64: return Value::integer(value.get_uint64());
    case boost::json::kind::double_: return Value::real(value.get_double());
    case boost::json::kind::string: {
      std::string_view text = value.get_string();
      if (!unicode::is_valid_utf8(text)) fail("a template variable is not valid UTF-8");
      if (is_known_role(key, text)) origin = Origin::template_text;
      return make_string(runtime, Text(std::string(text), origin));
    }
    case boost::json::kind::array: {
      std::vector<Value> items;
      for (const json::Value& item : value.get_array())
        items.push_back(convert(runtime, item, {}, origin));
      return make_list(runtime, std::move(items));
    }
    case boost::json::kind::object: {
      Ref<Dict> dict = make_dict(runtime);
      for (const auto& [name, item] : value.get_object()) {
        if (!unicode::is_valid_utf8(name)) fail("a key of a template variable is not valid UTF-8");
        dict->set(runtime, make_string(runtime, Text(std::string(name), origin)),
                  convert(runtime, item, name, origin));
      }
      return dict;
    }
  }
  return Value::none();
}

}  // namespace

Variables variables_from(Runtime& runtime, const json::Object& variables) {
  Variables converted;
  for (const auto& [name, value] : variables) {
    bool trusted = std::string_view(name).ends_with("_token");
    Origin origin = trusted ? Origin::template_text : Origin::variable;
    converted.emplace(std::string(name), convert(runtime, value, name, origin));
  }
  return converted;
}

}  // namespace hearth::jinja
