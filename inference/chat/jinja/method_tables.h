// The tables of built-in functions, one per file that fills it.
#pragma once

#include "chat/jinja/native.h"

namespace hearth::jinja {

std::span<const Native> string_methods();
std::span<const Native> dict_methods();
std::span<const Native> sequence_methods();
std::span<const Native> number_methods();
std::span<const Native> cycler_methods();

std::span<const Native> text_filters();
std::span<const Native> sequence_filters();
std::span<const Native> value_filters();
std::span<const Native> tests();

// str.replace with its result measured before it is built; shared with the filter.
Text replace_within(Runtime& runtime, const Text& text, const std::string& from, const Text& to,
                    Int count);

}  // namespace hearth::jinja
