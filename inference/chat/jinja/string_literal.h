// The escapes of a Python string literal.
#pragma once

#include <string>
#include <string_view>

namespace hearth::jinja {

// The text between the quotes, unescaped. Unknown escapes stay as they are, as in Python.
std::string unescape(std::string_view literal);

}  // namespace hearth::jinja
