// Filters on numbers and on any value.
#include <cmath>

#include "chat/jinja/format.h"
#include "chat/jinja/format_spec.h"
#include "chat/jinja/method_tables.h"
#include "chat/jinja/numbers.h"
#include "chat/jinja/operators.h"

namespace hearth::jinja {

namespace {

Value absolute(Runtime& runtime, Arguments& arguments) {
  const Value& value = arguments[0];
  if (value.is_undefined()) fail(value.as<Undefined>().message);
  if (!value.is_number()) fail("bad operand type for abs(): '", type_name(value), "'");
  if (value.is(Kind::real)) return Value::real(std::fabs(value.as_real()));
  return value.as_int() < 0 ? negate(runtime, value) : Value::integer(value.as_int());
}

Value attribute(Runtime& runtime, Arguments& arguments) {
  const std::string& name = string_argument(arguments[1], "attr").text.bytes;
  Value found = get_own_attribute(runtime, arguments[0], name);
  return found.is_missing()
             ? make_undefined(runtime, concat("'", type_name(arguments[0]),
                                              " object' has no attribute '", name, "'"))
             : found;
}

Value fallback(Runtime& runtime, Arguments& arguments) {
  const Value& value = arguments[0];
  bool if_false = arguments.has(2) && truth(runtime, arguments[2]);
  if (!value.is_undefined() && !(if_false && !truth(runtime, value))) return value;
  return arguments.has(1) ? arguments[1] : make_string(runtime, "");
}

Value to_integer(Runtime&, Arguments& arguments) {
  const Value& value = arguments[0];
  Value otherwise = arguments.has(1) ? arguments[1] : Value::integer(0);
  if (value.is_undefined()) fail(value.as<Undefined>().message);
  if (value.is_int()) return Value::integer(value.as_int());
  if (value.is(Kind::real)) {
    if (std::isnan(value.as_real())) return otherwise;
    auto whole = to_int(value.as_real());
    if (!whole) fail("cannot convert float infinity to integer");
    return Value::integer(*whole);
  }
  if (!value.is_string()) return otherwise;
  Int base = int_or(arguments[2], 10, "int");
  const std::string& text = value.as<Str>().text.bytes;
  bool valid_base = base == 0 || (base >= 2 && base <= 36);
  auto whole = valid_base ? parse_int(text, static_cast<int>(base)) : std::nullopt;
  if (whole) return Value::integer(*whole);
  auto real = parse_float(text);  // "42.23"|int is 42
  whole = real ? to_int(*real) : std::nullopt;
  return whole ? Value::integer(*whole) : otherwise;
}

Value to_float(Runtime&, Arguments& arguments) {
  const Value& value = arguments[0];
  Value otherwise = arguments.has(1) ? arguments[1] : Value::real(0);
  if (value.is_undefined()) fail(value.as<Undefined>().message);
  if (value.is_number()) return Value::real(value.as_real());
  if (!value.is_string()) return otherwise;
  auto real = parse_float(value.as<Str>().text.bytes);
  return real ? Value::real(*real) : otherwise;
}

Value round(Runtime& runtime, Arguments& arguments) {
  const Value& value = arguments[0];
  Int digits = int_or(arguments[1], 0, "round");
  std::string method = arguments.has(2) ? to_text(runtime, arguments[2]).bytes : "common";
  if (method != "common" && method != "ceil" && method != "floor")
    fail("method must be common, ceil or floor");
  if (value.is_undefined()) fail(value.as<Undefined>().message);
  if (!value.is_number()) fail("type ", type_name(value), " doesn't define __round__ method");
  if (method == "common")
    return value.is_int() ? Value::integer(round_int(value.as_int(), digits))
                          : Value::real(round_float(value.as_real(), digits));
  Value scale = apply(runtime, BinaryOperator::power, Value::integer(10), Value::integer(digits));
  Value scaled = apply(runtime, BinaryOperator::multiply, value, scale);
  if (scaled.is_int()) return apply(runtime, BinaryOperator::divide, scaled, scale);
  if (!std::isfinite(scaled.as_real())) fail("cannot convert float to integer");
  double whole = method == "ceil" ? std::ceil(scaled.as_real()) : std::floor(scaled.as_real());
  return apply(runtime, BinaryOperator::divide, Value::real(whole + 0.0), scale);  // no -0.0
}

Value file_size(Runtime& runtime, Arguments& arguments) {
  Arguments number{{arguments[0], Value()}, {}};
  if (arguments[0].is_string() && !parse_float(arguments[0].as<Str>().text.bytes))
    fail("could not convert string to float: '", arguments[0].as<Str>().text.bytes, "'");
  if (!arguments[0].is_string() && !arguments[0].is_number())
    fail("filesizeformat expected a number, got '", type_name(arguments[0]), "'");
  double bytes = to_float(runtime, number).as_real();
  bool binary = arguments.has(1) && truth(runtime, arguments[1]);
  double base = binary ? 1024 : 1000;
  if (bytes == 1) return make_string(runtime, "1 Byte");
  if (bytes < base) return make_string(runtime, to_string(to_int(bytes).value_or(0)) + " Bytes");
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  double unit = base;
  size_t i = 0;
  for (; i + 1 < kPrefixes.size() && bytes >= unit * base; ++i) unit *= base;
  std::string prefix(1, kPrefixes[i]);
  if (binary) prefix = i == 0 ? "Ki" : prefix + "i";
  return make_string(runtime, concat(float_digits(bytes / unit, 'f', 1), " ", prefix, "B"));
}

constexpr Native kFilters[] = {
    {"abs", absolute, 1, {"x"}, false},
    {"attr", attribute, 2, {"obj", "name"}},
    {"d", fallback, 1, {"value", "default_value", "boolean"}},
    {"default", fallback, 1, {"value", "default_value", "boolean"}},
    {"filesizeformat", file_size, 1, {"value", "binary"}},
    {"float", to_float, 1, {"value", "default"}},
    {"int", to_integer, 1, {"value", "default", "base"}},
    {"round", round, 1, {"value", "precision", "method"}},
};

}  // namespace

std::span<const Native> value_filters() { return kFilters; }

}  // namespace hearth::jinja
