#include "chat/jinja/native.h"

#include <algorithm>

namespace hearth::jinja {

namespace {

size_t parameter_count(const Native& native) {
  auto empty = std::find(native.parameters.begin(), native.parameters.end(), "");
  return static_cast<size_t>(empty - native.parameters.begin());
}

void bind(const Native& native, Arguments& arguments) {
  size_t n = parameter_count(native);
  if (arguments.positional.size() > n)
    fail(std::string(native.name), "() takes at most ", std::to_string(n), " arguments (",
         std::to_string(arguments.positional.size()), " given)");
  arguments.positional.resize(n);
  for (auto& [name, value] : arguments.named) {
    auto found = std::find(native.parameters.begin(), native.parameters.begin() + n, name);
    size_t at = static_cast<size_t>(found - native.parameters.begin());
    if (!native.takes_keywords || at == n)
      fail(std::string(native.name), "() got an unexpected keyword argument '", name, "'");
    if (arguments.has(at))
      fail(std::string(native.name), "() got multiple values for argument '", name, "'");
    arguments.positional[at] = std::move(value);
  }
  arguments.named.clear();
  for (size_t i = 0; i < native.n_required; ++i)
    if (!arguments.has(i))
      fail(std::string(native.name), "() missing required argument '",
           std::string(native.parameters[i]), "'");
}

}  // namespace

Value invoke(Runtime& runtime, const Native& native, Arguments& arguments) {
  runtime.step();
  if (native.n_required != Native::kVariadic) bind(native, arguments);
  return native.call(runtime, arguments);
}

const Str& string_argument(const Value& value, std::string_view function) {
  if (!value.is_string())
    fail(std::string(function), "() expected a string, got '", type_name(value), "'");
  return value.as<Str>();
}

Int int_argument(const Value& value, std::string_view function) {
  if (!value.is_int())
    fail(std::string(function), "() expected an integer, got '", type_name(value), "'");
  return value.as_int();
}

Int int_or(const Value& value, Int fallback, std::string_view function) {
  return value.is_missing() ? fallback : int_argument(value, function);
}

}  // namespace hearth::jinja
