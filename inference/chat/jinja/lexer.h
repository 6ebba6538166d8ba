// Template source -> tokens, with the white-space rules of trim_blocks and lstrip_blocks applied.
//
// Outside of tags everything is data. A tag's `-` strips white space on its side, `+` keeps it; a
// block or comment tag alone on its line takes the line's indentation (lstrip) and the line break
// after it (trim) with it.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "chat/jinja/value.h"

namespace hearth::jinja {

enum class TokenKind {
  data,
  block_begin,
  block_end,
  variable_begin,
  variable_end,
  name,
  string,
  integer,
  real,
  symbol,
  end
};

struct LexToken {
  TokenKind kind = TokenKind::end;
  int line = 1;
  std::string text;  // of data, name, symbol, and a string's value
  Int integer = 0;
  double real = 0;
};

// Fails on text that is not UTF-8, unbalanced brackets, unknown characters and unclosed tags.
std::vector<LexToken> lex(std::string_view source);

}  // namespace hearth::jinja
