#include "chat/jinja/macro.h"

namespace hearth::jinja {

std::string macro_repr(const Value& macro) {
  const std::string& name = macro.as<Macro>().callable.name;
  return name.empty() ? "<Macro anonymous>" : concat("<Macro '", name, "'>");
}

Value macro_attribute(Runtime& runtime, const Value& macro, std::string_view name) {
  const ast::Callable& callable = macro.as<Macro>().callable;
  if (name == "name")
    return callable.name.empty() ? Value::none() : make_string(runtime, callable.name);
  if (name == "arguments") {
    std::vector<Value> names;
    for (const ast::Expr& parameter : callable.parameters)
      names.push_back(make_string(runtime, std::get<ast::Name>(parameter.node).name));
    return make_tuple(runtime, std::move(names));
  }
  if (name == "catch_kwargs") return Value::boolean(callable.kwargs_slot.has_value());
  if (name == "catch_varargs") return Value::boolean(callable.varargs_slot.has_value());
  if (name == "caller") return Value::boolean(callable.caller_slot.has_value());
  return {};
}

}  // namespace hearth::jinja
