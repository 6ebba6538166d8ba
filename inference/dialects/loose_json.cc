#include "dialects/loose_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "support/json.h"

namespace hearth::dialects {

namespace {

constexpr int kMaxDepth = 48;  // below that of json::Document, which reads it again

bool is_hex(int c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool ends_word(int c) {
  return c == Source::kEnd || is_space(c) ||
         std::string_view(",:;{}[]\"'<").find(static_cast<char>(c)) != std::string_view::npos;
}

// As ends_call(), within a string. It may hold the text of a mark, which ends the string only where
// nothing but marks is behind it.
Reading<bool> ends_string(Source& in) {
  constexpr size_t kMost = 256;  // bytes of marks and space
  size_t behind = 0;
  for (bool is_mark = true; is_mark && behind < kMost;) {
    is_mark = false;
    for (std::string_view mark : in.call_marks()) {
      is_mark = co_await follows(in, mark, behind);
      if (is_mark) behind += mark.size();
      if (is_mark) break;
    }
    if (!is_mark) break;
    for (int c = co_await in.peek(behind); is_space(c) && behind < kMost;
         c = co_await in.peek(behind))
      ++behind;
  }
  const int next = co_await in.peek(behind);
  co_return next == Source::kEnd && (behind == 0 || !in.is_cut());
}

// Most bytes of a string begin no mark.
bool may_end_string(const Source& in, int c) {
  return c == Source::kEnd || std::ranges::any_of(in.call_marks(), [&](std::string_view mark) {
           return static_cast<unsigned char>(mark.front()) == c;
         });
}

// The escape behind a backslash that was taken. Unknown ones mean what they look like.
Reading<> copy_escape(Source& in, const Put& put) {
  const int c = co_await in.peek();
  if (c == Source::kEnd) co_return;
  const char byte = static_cast<char>(c);
  const bool is_plain = std::string_view("\"\\/bfnrt").find(byte) != std::string_view::npos;
  bool is_unicode = c == 'u';
  for (size_t i = 1; is_unicode && i <= 4; ++i) {
    const int digit = co_await in.peek(i);
    is_unicode = is_hex(digit);
  }
  if (is_plain) {
    in.take();
    put("\\");
    put({&byte, 1});
  } else if (is_unicode) {
    in.take();
    put("\\u");  // the digits follow as any other text
  } else if (c == '\'') {
    in.take();
    put("'");
  } else {
    put("\\\\");
  }
}

// False when the call or the text ends before the string does: then the quote is not put.
Reading<bool> copy_string(Source& in, const Put& put) {
  const int quote = co_await in.peek();
  in.take();
  put("\"");
  for (;;) {
    const int c = co_await in.peek();
    const bool is_over = may_end_string(in, c) && co_await ends_string(in);
    if (is_over) co_return false;
    in.take();
    if (c == quote) break;
    if (c == '\\') {
      co_await copy_escape(in, put);
    } else {
      const char byte = static_cast<char>(c);
      put_escaped({&byte, 1}, put);
    }
  }
  put("\"");
  co_return true;
}

// Literals in any spelling; "" for other words.
std::string_view literal_of(std::string_view word) {
  if (word == "true" || word == "True" || word == "TRUE") return "true";
  if (word == "false" || word == "False" || word == "FALSE") return "false";
  if (word == "null" || word == "None" || word == "NULL" || word == "undefined") return "null";
  return "";
}

bool is_number(std::string_view word) {
  if (word.empty() || !(word[0] == '-' || (word[0] >= '0' && word[0] <= '9'))) return false;
  auto value = json::parse_value(word);
  return value && value->is_number();
}

std::string json_of_word(std::string_view word) {
  if (std::string_view literal = literal_of(word); !literal.empty()) return std::string(literal);
  return is_number(word) ? std::string(word) : json::quote(word);
}

Reading<std::string> read_bare(Source& in) {
  std::string word;
  for (int c = co_await in.peek(); !ends_word(c); c = co_await in.peek()) {
    word += static_cast<char>(c);
    in.take();
  }
  co_return word;
}

// The text as a JSON value of one of these types, if it is one and more than a word.
std::optional<std::string> as_json(std::string_view text, Types types) {
  if (text == "null" && !types.null) return std::nullopt;
  const std::string_view literal = literal_of(text);
  if (literal == "null") return types.null ? std::optional<std::string>("null") : std::nullopt;
  if (!literal.empty()) return types.boolean ? std::optional<std::string>(literal) : std::nullopt;
  if (is_number(text)) {
    const bool is_whole = text.find_first_of(".eE") == text.npos;
    if (types.number || (types.integer && is_whole)) return std::string(text);
    return std::nullopt;
  }
  const bool may_hold =
      (text.starts_with('{') && types.object) || (text.starts_with('[') && types.array);
  if (!may_hold) return std::nullopt;
  Source in;
  std::string out;
  const Put put = [&](std::string_view piece) { out += piece; };
  auto read = [](Source& source, const Put& sink, bool& is_all) -> Reading<> {
    const bool is_value = co_await copy_json(source, sink);
    co_await skip_space(source);
    const int rest = co_await source.peek();
    is_all = is_value && rest == Source::kEnd;
  };
  bool is_all = false;
  in.push(text);
  in.finish(true);
  Reading<> reading = read(in, put, is_all);
  reading.start();
  return is_all ? std::optional(std::move(out)) : std::nullopt;
}

Reading<bool> copy_typed(Source& in, Types types, const Put& put, int depth) {
  const int c = co_await in.peek();
  const bool is_quoted = c == '"' || c == '\'';
  const bool is_welcome = is_quoted ? types.string : !types.is_only_string();
  if (is_welcome) co_return co_await copy_json(in, put, depth);
  if (is_quoted) {  // no string is wanted
    std::string text;
    const bool is_whole = co_await read_string(in, text);
    const bool is_cut = !is_whole && co_await is_cut_off(in);
    if (!is_cut) put(as_json(text, types).value_or(json::quote(text)));
    co_return !is_cut;
  }
  std::string value;  // a string is wanted, and nothing else
  bool is_whole = true;
  const bool is_bracket = c == '{' || c == '[';
  if (is_bracket) {
    const Put into = [&](std::string_view piece) { value += piece; };
    is_whole = co_await copy_json(in, into, depth);
    const bool is_cut = !is_whole && co_await is_cut_off(in);
    if (is_cut) co_return false;
  } else {
    value = co_await read_bare(in);
  }
  if (value.empty()) co_return false;
  put(literal_of(value) == "null" ? "null" : json::quote(value));
  co_return is_whole;
}

// One member of an object, `before` it. Nothing is put when it has no value.
Reading<bool> copy_member(Source& in, std::string_view before, const Put& put, int depth,
                          const ArgumentTypes* types) {
  std::string head;
  const int c = co_await in.peek();
  if (c == '"' || c == '\'') {
    const bool is_whole = co_await read_string(in, head);
    if (!is_whole) co_return false;
  } else {
    head = co_await read_bare(in);
    if (head.empty()) co_return false;
  }
  co_await skip_space(in);
  const bool has_colon = co_await accept(in, ":");
  if (!has_colon) co_return false;
  co_await skip_space(in);
  const Types expected = types ? types->tools.types_of(types->tool, head) : Types::any();
  head = fmt::format("{}{}: ", before, json::quote(head));
  const Put with_head = [&](std::string_view piece) {
    if (!head.empty()) put(std::exchange(head, {}));
    put(piece);
  };
  co_return co_await copy_typed(in, expected, with_head, depth);
}

Reading<bool> copy_members(Source& in, const Put& put, int depth, const ArgumentTypes* types) {
  const int open = co_await in.peek();
  const bool is_object = open == '{';
  const int close = is_object ? '}' : ']';
  in.take();
  put(is_object ? "{" : "[");
  bool is_whole = true, is_closed = false;
  for (std::string_view before = ""; is_whole; before = ", ") {
    co_await skip_space(in);
    int c = co_await in.peek();
    while (c == ',') {
      in.take();
      co_await skip_space(in);
      c = co_await in.peek();
    }
    is_closed = c == close;
    if (is_closed) in.take();
    if (c == '}' || c == ']') break;  // one of an outer bracket closes this one, too
    const bool is_over = co_await ends_call(in);
    if (is_over) break;
    if (is_object) {
      is_whole = co_await copy_member(in, before, put, depth + 1, types);
    } else {
      const Put with_comma = [&](std::string_view piece) {
        if (!before.empty()) put(std::exchange(before, {}));
        put(piece);
      };
      is_whole = co_await copy_json(in, with_comma, depth + 1);
    }
  }
  const bool is_cut = !is_closed && co_await is_cut_off(in);
  if (!is_cut) put(is_object ? "}" : "]");
  co_return is_whole && !is_cut;
}

}  // namespace

void put_escaped(std::string_view text, const Put& put) {
  for (char c : text) {
    switch (c) {
      case '"': put("\\\""); break;
      case '\\': put("\\\\"); break;
      case '\n': put("\\n"); break;
      case '\r': put("\\r"); break;
      case '\t': put("\\t"); break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          put(fmt::format("\\u{:04x}", static_cast<unsigned>(c)));
        else
          put({&c, 1});
    }
  }
}

Reading<bool> copy_json(Source& in, const Put& put, int depth) {
  if (depth > kMaxDepth) co_return false;
  co_await skip_space(in);
  const int c = co_await in.peek();
  if (c == '{' || c == '[') co_return co_await copy_members(in, put, depth, nullptr);
  if (c == '"' || c == '\'') {
    const bool is_whole = co_await copy_string(in, put);
    const bool is_cut = !is_whole && co_await is_cut_off(in);
    if (!is_whole && !is_cut) put("\"");
    co_return !is_cut;
  }
  const std::string word = co_await read_bare(in);
  if (word.empty()) co_return false;
  put(json_of_word(word));
  co_return true;
}

Reading<bool> ends_call(Source& in) {
  const int c = co_await in.peek();
  if (c == Source::kEnd) co_return true;
  for (std::string_view mark : in.call_marks()) {
    const bool is_mark = co_await follows(in, mark);
    if (is_mark) co_return true;
  }
  co_return false;
}

Reading<bool> is_cut_off(Source& in) {
  const int c = co_await in.peek();
  co_return c == Source::kEnd&& in.is_cut();
}

Reading<bool> read_string(Source& in, std::string& out) {
  std::string quoted;
  const Put put = [&](std::string_view piece) { quoted += piece; };
  const bool is_whole = co_await copy_string(in, put);
  if (!is_whole) quoted += '"';
  auto value = json::parse_value(quoted);  // lone surrogates are refused there
  if (value && value->is_string())
    out.assign(value->get_string());
  else
    out = quoted.substr(1, quoted.size() - 2);
  co_return is_whole;
}

Reading<bool> copy_arguments(Source& in, ArgumentTypes types, const Put& put, std::string& rest) {
  const Put into_rest = [&](std::string_view piece) { rest += piece; };
  co_await skip_space(in);
  const int c = co_await in.peek();
  if (c == '{') co_return co_await copy_members(in, put, 0, &types);
  bool is_whole = true;
  if (c == '"' || c == '\'') {
    std::string text;
    is_whole = co_await read_string(in, text);
    const bool is_cut = !is_whole && co_await is_cut_off(in);
    if (is_cut) co_return false;
    Source inner;
    inner.push(text);
    inner.finish(false);
    co_await skip_space(inner);
    const int first = co_await inner.peek();
    if (first == '{') co_return co_await copy_members(inner, put, 0, &types) && is_whole;
    if (first != Source::kEnd && text != "null") rest += text;
  } else if (c == '[' || c == '-' || (c >= '0' && c <= '9')) {
    is_whole = co_await copy_json(in, into_rest);
  } else {
    std::string word = co_await read_bare(in);
    if (literal_of(word) != "null") {
      rest += word;
      for (bool is_over = false; !is_over;) {
        is_over = co_await ends_call(in);
        if (is_over) break;
        const char byte = static_cast<char>(co_await in.peek());
        in.take();
        rest += byte;
      }
      rest.resize(rest.find_last_not_of(" \t\r\n") + 1);
    }
  }
  const bool is_cut = co_await is_cut_off(in);
  if (!is_cut) put("{}");
  co_return is_whole && !is_cut;
}

Reading<bool> copy_keywords(Source& in, ArgumentTypes types, const Put& put) {
  in.take();  // the bracket
  put("{");
  bool is_whole = true, is_closed = false;
  for (std::string_view before = ""; is_whole; before = ", ") {
    co_await skip_space(in);
    is_closed = co_await accept(in, ")");
    if (is_closed) break;
    const std::string key = co_await read_word(in);
    co_await skip_space(in);
    is_whole = !key.empty() && co_await accept(in, "=");
    if (!is_whole) break;
    co_await skip_space(in);
    std::string value;
    const Put into = [&](std::string_view piece) { value += piece; };
    const Types expected = types.tools.types_of(types.tool, key);
    int c = co_await in.peek();
    if (c == '"' || c == '\'' || c == '{' || c == '[') {
      is_whole = co_await copy_typed(in, expected, into, 1);
    } else {
      std::string word;
      for (bool is_over = false; c != ',' && c != ')' && !is_over; c = co_await in.peek()) {
        is_over = co_await ends_call(in);
        if (is_over) break;
        word += static_cast<char>(c);
        in.take();
      }
      is_whole = c == ',' || c == ')';
      const bool is_cut = co_await is_cut_off(in);
      if (!word.empty() && !is_cut) value = json_of_text(word, expected);
    }
    if (!value.empty()) put(fmt::format("{}{}: {}", before, json::quote(key), value));
    co_await skip_space(in);
    co_await accept(in, ",");
  }
  const bool is_cut = !is_closed && co_await is_cut_off(in);
  if (!is_cut) put("}");
  co_return is_whole && !is_cut;
}

std::string json_of_text(std::string_view text, Types types) {
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const std::string_view trimmed = text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
  if (types.string) types = {.null = types.null};  // what could be a string is one
  if (auto value = as_json(trimmed, types)) return *value;
  return json::quote(text);
}

}  // namespace hearth::dialects
