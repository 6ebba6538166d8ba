#include "chat/jinja/string_ops.h"

#include <algorithm>

namespace hearth::jinja {

namespace {

using unicode::Case;

bool is_space(char32_t code) { return unicode::is(code, unicode::space); }

// Rewrites a text code point by code point; what comes of one keeps its origin.
template <class Append>
Text rewrite(const Text& text, Append append) {
  bool mixed = text.origin() == Origin::variable &&
               (text.from_variables.size() > 1 || text.from_variables[0].begin > 0 ||
                text.from_variables[0].end < text.size());
  Text out;
  std::string piece;
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    char32_t code = unicode::decode(text.bytes, at);
    append(piece, code, begin, at);
    if (mixed) {
      out.append(piece, text.origin(begin, at));
      piece.clear();
    }
  }
  if (!mixed) out.append(piece, text.origin());
  return out;
}

// Greek sigma at the end of a word has a lower case of its own.
bool is_final_sigma(std::string_view text, size_t begin, size_t end) {
  auto skip_ignorable = [](char32_t code) { return unicode::is(code, unicode::case_ignorable); };
  bool cased_before = false;
  for (size_t at = begin; at > 0;) {
    char32_t code = unicode::decode_before(text, at);
    if (skip_ignorable(code)) continue;
    cased_before = unicode::is(code, unicode::cased);
    break;
  }
  if (!cased_before) return false;
  for (size_t at = end; at < text.size();) {
    char32_t code = unicode::decode(text, at);
    if (skip_ignorable(code)) continue;
    return !unicode::is(code, unicode::cased);
  }
  return true;
}

void append_lower(std::string& out, std::string_view text, char32_t code, size_t begin,
                  size_t end) {
  constexpr char32_t kSigma = 0x3A3, kFinalSigma = 0x3C2;
  if (code == kSigma && is_final_sigma(text, begin, end))
    unicode::append(out, kFinalSigma);
  else
    unicode::append_mapped(out, code, Case::lower);
}

bool is_line_break(char32_t code) {
  return (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 ||
         code == 0x2028 || code == 0x2029;
}

std::vector<Text> split_at_spaces(const Text& text, int64_t limit) {
  std::vector<Text> parts;
  size_t at = 0;
  while (true) {
    size_t begin = at;
    while (begin < text.size()) {
      size_t next = begin;
      if (!is_space(unicode::decode(text.bytes, next))) break;
      begin = next;
    }
    if (begin == text.size()) return parts;
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      parts.push_back(strip(text.slice(begin, text.size()), Side::right));
      return parts;
    }
    size_t end = begin;
    while (end < text.size()) {
      size_t next = end;
      if (is_space(unicode::decode(text.bytes, next))) break;
      end = next;
    }
    parts.push_back(text.slice(begin, end));
    at = end;
  }
}

std::vector<Text> split_at_spaces_from_right(const Text& text, int64_t limit) {
  std::vector<Text> parts;
  size_t at = text.size();
  while (true) {
    size_t end = at;
    while (end > 0) {
      size_t before = end;
      if (!is_space(unicode::decode_before(text.bytes, before))) break;
      end = before;
    }
    if (end == 0) break;
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      parts.push_back(text.slice(0, end));
      break;
    }
    size_t begin = end;
    while (begin > 0) {
      size_t before = begin;
      if (is_space(unicode::decode_before(text.bytes, before))) break;
      begin = before;
    }
    parts.push_back(text.slice(begin, end));
    at = begin;
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace

Text strip(const Text& text, Side side, const std::string* characters) {
  auto stripped = [&](char32_t code) {
    if (!characters) return is_space(code);
    for (size_t at = 0; at < characters->size();)
      if (unicode::decode(*characters, at) == code) return true;
    return false;
  };
  size_t begin = 0, end = text.size();
  while (side != Side::right && begin < end) {
    size_t next = begin;
    if (!stripped(unicode::decode(text.bytes, next))) break;
    begin = next;
  }
  while (side != Side::left && begin < end) {
    size_t before = end;
    if (!stripped(unicode::decode_before(text.bytes, before))) break;
    end = before;
  }
  return text.slice(begin, end);
}

Text replace(const Text& text, const std::string& from, const Text& to, int64_t count) {
  Text out;
  size_t at = 0;
  if (from.empty()) {  // between all code points, and at both ends
    for (; count != 0; --count) {
      out.append(to);
      if (at == text.size()) return out;
      size_t next = at;
      unicode::decode(text.bytes, next);
      out.append(text, at, next);
      at = next;
    }
  } else {
    for (; count != 0; --count) {
      size_t found = text.bytes.find(from, at);
      if (found == std::string::npos) break;
      out.append(text, at, found);
      out.append(to);
      at = found + from.size();
    }
  }
  out.append(text, at, text.size());
  return out;
}

std::vector<Text> split(const Text& text, const std::string* separator, int64_t limit) {
  if (!separator) return split_at_spaces(text, limit);
  std::vector<Text> parts;
  size_t at = 0;
  for (; limit != 0; --limit) {
    size_t found = text.bytes.find(*separator, at);
    if (found == std::string::npos) break;
    parts.push_back(text.slice(at, found));
    at = found + separator->size();
  }
  parts.push_back(text.slice(at, text.size()));
  return parts;
}

std::vector<Text> split_from_right(const Text& text, const std::string* separator, int64_t limit) {
  if (!separator) return split_at_spaces_from_right(text, limit);
  std::vector<Text> parts;
  size_t end = text.size();
  for (; limit != 0 && end >= separator->size(); --limit) {
    size_t found = text.bytes.rfind(*separator, end - separator->size());
    if (found == std::string::npos) break;
    parts.push_back(text.slice(found + separator->size(), end));
    end = found;
  }
  parts.push_back(text.slice(0, end));
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<Text> split_lines(const Text& text, bool keep_ends) {
  std::vector<Text> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    char32_t code = unicode::decode(text.bytes, at);
    if (!is_line_break(code)) continue;
    if (code == '\r' && at < text.size() && text.bytes[at] == '\n') ++at;
    lines.push_back(text.slice(begin, keep_ends ? at : end));
    begin = at;
  }
  if (begin < text.size()) lines.push_back(text.slice(begin, text.size()));
  return lines;
}

size_t count_words(std::string_view text) {
  size_t n = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    bool space = is_space(unicode::decode(text, at));
    n += !space && !inside;
    inside = !space;
  }
  return n;
}

size_t count_lines(std::string_view text) {
  size_t n = 1;
  for (size_t at = 0; at < text.size();) n += is_line_break(unicode::decode(text, at));
  return n;
}

Text change_case(const Text& text, Case to) {
  return rewrite(text, [&](std::string& out, char32_t code, size_t begin, size_t end) {
    if (to == Case::lower)
      append_lower(out, text.bytes, code, begin, end);
    else
      unicode::append_mapped(out, code, to);
  });
}

Text capitalize(const Text& text) {
  return rewrite(text, [&](std::string& out, char32_t code, size_t begin, size_t end) {
    if (begin == 0)
      unicode::append_mapped(out, code, Case::title);
    else
      append_lower(out, text.bytes, code, begin, end);
  });
}

Text title_case(const Text& text) {
  bool inside_word = false;
  return rewrite(text, [&](std::string& out, char32_t code, size_t begin, size_t end) {
    if (inside_word)
      append_lower(out, text.bytes, code, begin, end);
    else
      unicode::append_mapped(out, code, Case::title);
    inside_word = unicode::is(code, unicode::cased);
  });
}

Text swap_case(const Text& text) {
  return rewrite(text, [&](std::string& out, char32_t code, size_t begin, size_t end) {
    if (unicode::is(code, unicode::upper))
      append_lower(out, text.bytes, code, begin, end);
    else
      unicode::append_mapped(out, code,
                             unicode::is(code, unicode::lower) ? Case::upper : Case::lower);
  });
}

Text expand_tabs(const Text& text, int64_t tab_size) {
  int64_t column = 0;
  return rewrite(text, [&](std::string& out, char32_t code, size_t, size_t) {
    if (code != '\t') {
      column = code == '\n' || code == '\r' ? 0 : column + 1;
      return unicode::append(out, code);
    }
    if (tab_size <= 0) return;
    int64_t spaces = tab_size - column % tab_size;
    out.append(static_cast<size_t>(spaces), ' ');
    column += spaces;
  });
}

bool all_are(std::string_view text, uint32_t flags) {
  for (size_t at = 0; at < text.size();)
    if (!unicode::is(unicode::decode(text, at), flags)) return false;
  return !text.empty();
}

bool is_in_case(std::string_view text, unicode::Flags which) {
  uint32_t others =
      (unicode::lower | unicode::upper | unicode::title) & ~static_cast<uint32_t>(which);
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    char32_t code = unicode::decode(text, at);
    if (unicode::is(code, others)) return false;
    found |= unicode::is(code, which);
  }
  return found;
}

bool is_title(std::string_view text) {
  bool inside_word = false, found = false;
  for (size_t at = 0; at < text.size();) {
    char32_t code = unicode::decode(text, at);
    bool starts = unicode::is(code, unicode::upper | unicode::title);
    bool continues = unicode::is(code, unicode::lower);
    if ((starts && inside_word) || (continues && !inside_word)) return false;
    inside_word = starts || continues;
    found |= inside_word;
  }
  return found;
}

bool is_identifier(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    bool first = at == 0;
    char32_t code = unicode::decode(text, at);
    bool allowed = code == '_' || unicode::is(code, unicode::alpha) ||
                   (!first && unicode::is(code, unicode::decimal));
    if (!allowed) return false;
  }
  return !text.empty();
}

}  // namespace hearth::jinja
