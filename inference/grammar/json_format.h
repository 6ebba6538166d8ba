// The values of JSON Schema's "format".
#pragma once

#include <string_view>

namespace hearth::grammar {

enum class FormatKind : unsigned char {
  known,        // a pattern stands for it
  unsupported,  // a standard one that has none here
  annotation,   // says something that is nobody's to check
};

struct Format {
  FormatKind kind;
  std::string_view pattern;  // of the whole text
};
Format format_named(std::string_view name);

}  // namespace hearth::grammar
