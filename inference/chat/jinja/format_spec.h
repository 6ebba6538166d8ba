// The formatting of one value: what stands after ':' in "{:>8.3f}" or between '%' and 'f' in
// "%8.3f". Both notations share the layout of numbers and the padding.
#pragma once

#include "chat/jinja/format.h"

namespace hearth::jinja {

struct FormatSpec {
  std::string fill = " ";
  char align = 0;  // '<' '>' '^' '=', 0: the type's own
  char sign = '-';
  bool alternate = false;
  size_t width = 0;
  char grouping = 0;  // ',' or '_'
  std::optional<size_t> precision;
  char type = 0;
};

// Widths and precisions beyond this are refused: nobody pads a prompt to a megabyte.
inline constexpr size_t kMaxWidth = 1u << 20;

// Digits of an integer or a float with sign and prefix, padded.
std::string format_int(Int value, const FormatSpec& spec);
std::string format_float(double value, const FormatSpec& spec);
Text pad(const Text& body, const FormatSpec& spec, char default_align);

// Decimal digits at text[at], if there are any; moves `at` past them.
std::optional<size_t> read_size(std::string_view text, size_t& at);

}  // namespace hearth::jinja
