// The tests of `x is ...`.
#include "chat/jinja/format.h"
#include "chat/jinja/method_tables.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/string_ops.h"

namespace hearth::jinja {

namespace {

// A test that only looks at the value.
template <bool (*kHolds)(const Value&)>
Value check(Runtime&, Arguments& arguments) {
  return Value::boolean(kHolds(arguments[0]));
}

template <Kind kKind>
bool is_kind(const Value& value) {
  return value.is(kKind);
}
bool is_defined(const Value& value) { return !value.is_undefined(); }
bool is_false(const Value& value) { return value.is(Kind::boolean) && !value.as_bool(); }
bool is_true(const Value& value) { return value.is(Kind::boolean) && value.as_bool(); }
bool is_number(const Value& value) { return value.is_number(); }
bool is_escaped(const Value& value) { return value.is_string() && value.as<Str>().markup; }

// Has a length and can be subscripted.
bool is_sequence(const Value& value) {
  return value.is_string() || value.is_sequence() || value.is(Kind::dict) ||
         value.is(Kind::range) || value.is_undefined();
}

bool is_callable(const Value& value) {
  return value.is(Kind::native) || value.is(Kind::macro) || value.is(Kind::loop) ||
         value.is(Kind::joiner) || value.is_undefined();
}

Value remainder(Runtime& runtime, const Value& value, Int by) {
  return apply(runtime, BinaryOperator::modulo, value, Value::integer(by));
}

Value is_odd(Runtime& runtime, Arguments& arguments) {
  return Value::boolean(equals(runtime, remainder(runtime, arguments[0], 2), Value::integer(1)));
}

Value is_even(Runtime& runtime, Arguments& arguments) {
  return Value::boolean(equals(runtime, remainder(runtime, arguments[0], 2), Value::integer(0)));
}

Value is_divisible(Runtime& runtime, Arguments& arguments) {
  Value rest = apply(runtime, BinaryOperator::modulo, arguments[0], arguments[1]);
  return Value::boolean(equals(runtime, rest, Value::integer(0)));
}

template <unicode::Flags kCase>
Value is_case(Runtime& runtime, Arguments& arguments) {
  return Value::boolean(is_in_case(to_text(runtime, arguments[0]).bytes, kCase));
}

template <const Native* (*kFind)(std::string_view)>
Value is_known(Runtime& runtime, Arguments& arguments) {
  const Value& name = arguments[0];
  if (!name.is_string()) hash(runtime, name);  // looked up, so it must be hashable
  return Value::boolean(name.is_string() && kFind(name.as<Str>().text.bytes));
}

Value is_same(Runtime&, Arguments& arguments) {
  return Value::boolean(identical(arguments[0], arguments[1]));
}

Value is_in(Runtime& runtime, Arguments& arguments) {
  return Value::boolean(contains(runtime, arguments[1], arguments[0]));
}

Value is_equal(Runtime& runtime, Arguments& arguments) {
  return Value::boolean(equals(runtime, arguments[0], arguments[1]));
}

Value is_unequal(Runtime& runtime, Arguments& arguments) {
  return Value::boolean(!equals(runtime, arguments[0], arguments[1]));
}

constexpr char kLess[] = "<", kLessEqual[] = "<=", kGreater[] = ">", kGreaterEqual[] = ">=";

template <const char* kOperation, bool (*kHolds)(int)>
Value ordered(Runtime& runtime, Arguments& arguments) {
  auto order = compare(runtime, arguments[0], arguments[1], kOperation);
  return Value::boolean(order && kHolds(*order));
}

bool below(int order) { return order < 0; }
bool at_most(int order) { return order <= 0; }
bool above(int order) { return order > 0; }
bool at_least(int order) { return order >= 0; }

constexpr std::array<std::string_view, 7> kOne = {"value"}, kTwo = {"value", "other"};

constexpr Native kTests[] = {
    {"odd", is_odd, 1, kOne},
    {"even", is_even, 1, kOne},
    {"divisibleby", is_divisible, 2, {"value", "num"}},
    {"defined", check<is_defined>, 1, kOne},
    {"undefined", check<is_kind<Kind::undefined>>, 1, kOne},
    {"filter", is_known<find_filter>, 1, kOne},
    {"test", is_known<find_test>, 1, kOne},
    {"none", check<is_kind<Kind::none>>, 1, kOne},
    {"boolean", check<is_kind<Kind::boolean>>, 1, kOne},
    {"false", check<is_false>, 1, kOne},
    {"true", check<is_true>, 1, kOne},
    {"integer", check<is_kind<Kind::integer>>, 1, kOne},
    {"float", check<is_kind<Kind::real>>, 1, kOne},
    {"lower", is_case<unicode::lower>, 1, kOne},
    {"upper", is_case<unicode::upper>, 1, kOne},
    {"string", check<is_kind<Kind::string>>, 1, kOne},
    {"mapping", check<is_kind<Kind::dict>>, 1, kOne},
    {"number", check<is_number>, 1, kOne},
    {"sequence", check<is_sequence>, 1, kOne},
    {"iterable", check<is_iterable>, 1, kOne},
    {"callable", check<is_callable>, 1, kOne},
    {"sameas", is_same, 2, kTwo},
    {"escaped", check<is_escaped>, 1, kOne},
    {"in", is_in, 2, {"value", "seq"}},
    {"==", is_equal, 2, kTwo},
    {"eq", is_equal, 2, kTwo},
    {"equalto", is_equal, 2, kTwo},
    {"!=", is_unequal, 2, kTwo},
    {"ne", is_unequal, 2, kTwo},
    {">", ordered<kGreater, above>, 2, kTwo},
    {"gt", ordered<kGreater, above>, 2, kTwo},
    {"greaterthan", ordered<kGreater, above>, 2, kTwo},
    {">=", ordered<kGreaterEqual, at_least>, 2, kTwo},
    {"ge", ordered<kGreaterEqual, at_least>, 2, kTwo},
    {"<", ordered<kLess, below>, 2, kTwo},
    {"lt", ordered<kLess, below>, 2, kTwo},
    {"lessthan", ordered<kLess, below>, 2, kTwo},
    {"<=", ordered<kLessEqual, at_most>, 2, kTwo},
    {"le", ordered<kLessEqual, at_most>, 2, kTwo},
};

}  // namespace

std::span<const Native> tests() { return kTests; }

}  // namespace hearth::jinja
