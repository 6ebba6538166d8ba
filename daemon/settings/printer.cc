#include "settings/printer.h"

#include <sstream>

namespace hearth::settings {

namespace {

// Each string in one line with escapes: toml++ 3.3 loses a line feed at the start of one that it
// spreads over lines.
std::string text_of(const toml::table& table) {
  std::ostringstream out;
  constexpr auto kSpread =
      toml::format_flags::allow_multi_line_strings | toml::format_flags::allow_literal_strings;
  out << toml::toml_formatter(table, toml::toml_formatter::default_flags & ~kSpread) << '\n';
  return out.str();
}

}  // namespace

std::string Printer::section(std::string_view group) const {
  return text_of(toml::table{{group, table_}});
}

std::string Printer::section(std::string_view group, std::string_view name) const {
  return text_of(toml::table{{group, toml::table{{name, table_}}}});
}

std::string Printer::item(std::string_view group) const {
  return text_of(toml::table{{group, toml::array{table_}}});
}

}  // namespace hearth::settings
