// A string that remembers which of its bytes came out of variables. Every operation of the language
// keeps the marks; where the origin of derived text is unclear, it counts as from variables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/jinja.h"

namespace hearth::jinja {

enum class Origin : bool { template_text, variable };

struct Text {
  std::string bytes;
  std::vector<Rendered::Range> from_variables;  // ascending, disjoint, not touching

  Text() = default;
  explicit Text(std::string text, Origin origin = Origin::template_text);

  size_t size() const { return bytes.size(); }
  std::string_view view() const { return bytes; }

  void append(std::string_view text, Origin origin = Origin::template_text);
  void append(const Text& other) { append(other, 0, other.size()); }
  void append(const Text& other, size_t begin, size_t end);
  Text slice(size_t begin, size_t end) const;

  // variable if any byte of the stretch came from one.
  Origin origin(size_t begin, size_t end) const;
  Origin origin() const {
    return from_variables.empty() ? Origin::template_text : Origin::variable;
  }

 private:
  void mark(size_t begin, size_t end);
};

inline Origin operator|(Origin a, Origin b) { return a == Origin::variable ? a : b; }

}  // namespace hearth::jinja
