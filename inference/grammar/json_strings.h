// The texts that a shape lets in, as automata over their characters. Pure.
#pragma once

#include <string_view>

#include "grammar/dfa.h"
#include "grammar/json_shape.h"

namespace hearth::grammar {

// Strings of a shape: its lengths, patterns, formats and values.
Result<Dfa> dfa_of_strings(const Shape& shape);

}  // namespace hearth::grammar
