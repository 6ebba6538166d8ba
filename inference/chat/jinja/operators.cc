#include "chat/jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "chat/jinja/format.h"

namespace hearth::jinja {

namespace {

constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};

[[noreturn]] void unsupported(BinaryOperator operation, const Value& a, const Value& b) {
  fail("unsupported operand type(s) for ", std::string(kSymbols[static_cast<size_t>(operation)]),
       ": '", type_name(a), "' and '", type_name(b), "'");
}

[[noreturn]] void too_large() { fail("integer result is too large"); }

Int floor_divide(Int a, Int b) {
  if (b == 0) fail("integer division or modulo by zero");
  if (b == -1) {
    Int result;
    if (__builtin_sub_overflow(Int{0}, a, &result)) too_large();
    return result;
  }
  Int quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Int modulo(Int a, Int b) {
  if (b == 0) fail("integer division or modulo by zero");
  if (b == -1) return 0;
  Int rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

// Python's: the remainder has the sign of the divisor.
std::pair<double, double> divide_floats(double a, double b) {
  if (b == 0) fail("float floor division by zero");
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0) {
    if ((b < 0) != (rest < 0)) {
      rest += b;
      quotient -= 1;
    }
  } else {
    rest = std::copysign(0.0, b);
  }
  double whole = quotient != 0 ? std::floor(quotient) : std::copysign(0.0, a / b);
  if (quotient != 0 && quotient - whole > 0.5) whole += 1;
  return {whole, rest};
}

Value integer_power(Runtime& runtime, Int base, Int exponent) {
  Int result = 1;
  while (true) {
    runtime.step();
    if (exponent & 1)
      if (__builtin_mul_overflow(result, base, &result)) too_large();
    exponent >>= 1;
    if (exponent == 0) return Value::integer(result);
    if (__builtin_mul_overflow(base, base, &base)) too_large();
  }
}

Value float_power(double base, double exponent) {
  if (base == 0 && exponent < 0) fail("0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(exponent) && exponent != std::floor(exponent))
    fail("a negative number raised to a fraction is complex");
  double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent))
    fail("numerical result out of range");
  return Value::real(result);
}

Value integer_arithmetic(Runtime& runtime, BinaryOperator operation, Int a, Int b) {
  Int result = 0;
  bool overflow = false;
  switch (operation) {
    case BinaryOperator::add: overflow = __builtin_add_overflow(a, b, &result); break;
    case BinaryOperator::subtract: overflow = __builtin_sub_overflow(a, b, &result); break;
    case BinaryOperator::multiply: overflow = __builtin_mul_overflow(a, b, &result); break;
    case BinaryOperator::divide:
      if (b == 0) fail("division by zero");
      // The wider type keeps integers beyond 53 bits from being rounded before the division.
      return Value::real(
          static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case BinaryOperator::floor_divide: result = floor_divide(a, b); break;
    case BinaryOperator::modulo: result = modulo(a, b); break;
    case BinaryOperator::power:
      if (b >= 0) return integer_power(runtime, a, b);
      return float_power(static_cast<double>(a), static_cast<double>(b));
  }
  if (overflow) too_large();
  return Value::integer(result);
}

Value float_arithmetic(BinaryOperator operation, double a, double b) {
  switch (operation) {
    case BinaryOperator::add: return Value::real(a + b);
    case BinaryOperator::subtract: return Value::real(a - b);
    case BinaryOperator::multiply: return Value::real(a * b);
    case BinaryOperator::divide:
      if (b == 0) fail("float division by zero");
      return Value::real(a / b);
    case BinaryOperator::floor_divide: return Value::real(divide_floats(a, b).first);
    case BinaryOperator::modulo: return Value::real(divide_floats(a, b).second);
    case BinaryOperator::power: return float_power(a, b);
  }
  return {};
}

Value concatenate(Runtime& runtime, const Str& a, const Str& b) {
  bool markup = a.markup || b.markup;
  auto part = [&](const Str& side) {
    return markup && !side.markup ? escape_html(side.text) : side.text;
  };
  runtime.check_room(a.text.size() + b.text.size());
  Text joined = part(a);
  joined.append(part(b));
  return make_string(runtime, std::move(joined), markup);
}

Value join_sequences(Runtime& runtime, const Sequence& a, const Sequence& b) {
  runtime.check_room(a.items.size() + b.items.size(), sizeof(Value));
  std::vector<Value> items = a.items;
  items.insert(items.end(), b.items.begin(), b.items.end());
  return a.is_tuple ? make_tuple(runtime, std::move(items)) : make_list(runtime, std::move(items));
}

Value repeat(Runtime& runtime, const Value& value, Int times) {
  bool is_string = value.is_string();
  size_t unit =
      is_string ? value.as<Str>().text.size() : value.as<Sequence>().items.size() * sizeof(Value);
  if (times < 0 || unit == 0) times = 0;
  Int bytes;
  if (__builtin_mul_overflow(times, static_cast<Int>(unit), &bytes)) too_large();
  runtime.check_room(static_cast<size_t>(std::min(bytes, static_cast<Int>(SIZE_MAX))));
  size_t n = static_cast<size_t>(times);
  if (is_string) {
    Text text;
    for (size_t i = 0; i < n; ++i) text.append(value.as<Str>().text);
    return make_string(runtime, std::move(text), value.as<Str>().markup);
  }
  const std::vector<Value>& source = value.as<Sequence>().items;
  std::vector<Value> items;
  items.reserve(n * source.size());
  for (size_t i = 0; i < n; ++i) items.insert(items.end(), source.begin(), source.end());
  return value.is(Kind::tuple) ? make_tuple(runtime, std::move(items))
                               : make_list(runtime, std::move(items));
}

}  // namespace

Value apply(Runtime& runtime, BinaryOperator operation, const Value& a, const Value& b) {
  if (a.is_int() && b.is_int())
    return integer_arithmetic(runtime, operation, a.as_int(), b.as_int());
  if (a.is_number() && b.is_number()) return float_arithmetic(operation, a.as_real(), b.as_real());
  if (operation == BinaryOperator::modulo && a.is_string())
    return percent_format(runtime, a.as<Str>(), b);
  if (a.is_undefined()) fail(a.as<Undefined>().message);
  if (b.is_undefined()) fail(b.as<Undefined>().message);
  auto repeatable = [](const Value& value) { return value.is_string() || value.is_sequence(); };
  if (operation == BinaryOperator::add) {
    if (a.is_string() && b.is_string()) return concatenate(runtime, a.as<Str>(), b.as<Str>());
    if (a.is_sequence() && a.kind() == b.kind())
      return join_sequences(runtime, a.as<Sequence>(), b.as<Sequence>());
    if (a.is_string()) fail("can only concatenate str (not \"", type_name(b), "\") to str");
  } else if (operation == BinaryOperator::multiply) {
    if (repeatable(a) && b.is_int()) return repeat(runtime, a, b.as_int());
    if (repeatable(b) && a.is_int()) return repeat(runtime, b, a.as_int());
  }
  unsupported(operation, a, b);
}

Value negate(Runtime& runtime, const Value& value) {
  if (value.is_int())
    return integer_arithmetic(runtime, BinaryOperator::subtract, 0, value.as_int());
  if (value.is(Kind::real)) return Value::real(-value.as_real());
  if (value.is_undefined()) fail(value.as<Undefined>().message);
  fail("bad operand type for unary -: '", type_name(value), "'");
}

Value plus(Runtime&, const Value& value) {
  if (value.is_int()) return Value::integer(value.as_int());
  if (value.is(Kind::real)) return value;
  if (value.is_undefined()) fail(value.as<Undefined>().message);
  fail("bad operand type for unary +: '", type_name(value), "'");
}

}  // namespace hearth::jinja
