#include "chat/jinja/string_literal.h"

#include "chat/jinja/runtime.h"
#include "chat/jinja/unicode.h"

namespace hearth::jinja {

namespace {

// `digits` hexadecimal digits at text[at]; moves past them.
char32_t hex(std::string_view text, size_t& at, size_t digits) {
  char32_t code = 0;
  for (size_t i = 0; i < digits; ++i, ++at) {
    char c = at < text.size() ? text[at] : '\0';
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) fail("truncated escape in a string");
    code = code * 16 + static_cast<char32_t>(digit);
  }
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
    fail("illegal Unicode character in a string");
  return code;
}

char32_t octal(std::string_view text, size_t& at) {
  char32_t code = 0;
  for (size_t i = 0; i < 3 && at < text.size() && text[at] >= '0' && text[at] <= '7'; ++i, ++at)
    code = code * 8 + static_cast<char32_t>(text[at] - '0');
  return code;
}

// Python escapes what is not ASCII before it unescapes, so a backslash in front of such a
// character meets another backslash and becomes plain.
void append_escaped_non_ascii(std::string& out, char32_t code) {
  constexpr char kHex[] = "0123456789abcdef";
  int width = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
  out += code < 0x100 ? "\\x" : code < 0x10000 ? "\\u" : "\\U";
  for (int shift = 4 * (width - 1); shift >= 0; shift -= 4) out += kHex[code >> shift & 0xF];
}

}  // namespace

std::string unescape(std::string_view literal) {
  std::string out;
  for (size_t at = 0; at < literal.size();) {
    char c = literal[at++];
    if (c != '\\' || at == literal.size()) {
      out += c;
      continue;
    }
    char escaped = literal[at];
    if (escaped >= '0' && escaped <= '7') {
      unicode::append(out, octal(literal, at));
      continue;
    }
    if ((escaped & 0x80) != 0) {
      append_escaped_non_ascii(out, unicode::decode(literal, at));
      continue;
    }
    ++at;
    switch (escaped) {
      case '\n': break;
      case '\\':
      case '\'':
      case '"': out += escaped; break;
      case 'a': out += '\a'; break;
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'v': out += '\v'; break;
      case 'x': unicode::append(out, hex(literal, at, 2)); break;
      case 'u': unicode::append(out, hex(literal, at, 4)); break;
      case 'U': unicode::append(out, hex(literal, at, 8)); break;
      case 'N': fail("characters by name (\\N) are not supported");
      default: out += '\\', out += escaped; break;
    }
  }
  return out;
}

}  // namespace hearth::jinja
