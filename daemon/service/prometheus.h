// The text form of Prometheus.
#pragma once

#include <string>
#include <string_view>

namespace hearth::prometheus {

// A label's value between its quotes.
inline std::string escaped(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

}  // namespace hearth::prometheus
