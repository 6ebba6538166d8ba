// Numbers from text and to a precision, as Python's int(), float() and round().
#pragma once

#include <optional>
#include <string_view>

#include "chat/jinja/value.h"

namespace hearth::jinja {

std::optional<Int> parse_int(std::string_view text, int base);
std::optional<double> parse_float(std::string_view text);
// Toward zero; nothing for what has no integer (infinite, NaN, beyond 128 bits).
std::optional<Int> to_int(double value);
// Half to even, on the exact value.
double round_float(double value, Int digits);
Int round_int(Int value, Int digits);

}  // namespace hearth::jinja
