// Operators, subscripts and attributes.
#pragma once

#include "chat/jinja/value.h"

namespace hearth::jinja {

enum class BinaryOperator { add, subtract, multiply, divide, floor_divide, modulo, power };

Value apply(Runtime& runtime, BinaryOperator operation, const Value& a, const Value& b);
Value negate(Runtime& runtime, const Value& value);
Value plus(Runtime& runtime, const Value& value);

// x.name, x[key], x[start:stop:step] in the sandbox: private names and methods that change their
// object are undefined.
Value get_attribute(Runtime& runtime, const Value& value, const Value& name);
Value get_item(Runtime& runtime, const Value& value, const Value& key);
// Without falling back to items; missing when there is no such attribute.
Value get_own_attribute(Runtime& runtime, const Value& value, std::string_view name);
Value get_slice(Runtime& runtime, const Value& value, const Value& start, const Value& stop,
                const Value& step);

}  // namespace hearth::jinja
