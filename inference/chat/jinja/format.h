// Values as text, the way Python writes them.
#pragma once

#include "chat/jinja/native.h"
#include "chat/jinja/value.h"

namespace hearth::jinja {

// str() and repr(). A string keeps its marks; inside a repr it is marked as a whole.
void append_str(Runtime& runtime, Text& out, const Value& value);
void append_repr(Runtime& runtime, Text& out, const Value& value);
Text to_text(Runtime& runtime, const Value& value);
std::string float_repr(double value);
// The digits of a float: 'e', 'f' or 'g' with a precision.
std::string float_digits(double value, char type, int precision);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<Text> indent;  // one level
  Text item_separator{", "}, key_separator{": "};
};
Text to_json(Runtime& runtime, const Value& value, const JsonStyle& style);

Value percent_format(Runtime& runtime, const Str& format, const Value& arguments);
Value brace_format(Runtime& runtime, const Str& format, const Arguments& arguments);
// format(value, spec)
Text format_value(Runtime& runtime, const Value& value, const Text& spec);

Text escape_html(const Text& text);

}  // namespace hearth::jinja
