#include "dialects/loose_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

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

// The escape behind a backslash that was taken. Unknown ones mean what they look like.
Reading<bool> copy_escape(Source& in, const Put& put) {
  const int c = co_await in.peek();
  if (c == Source::kEnd) co_return false;
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
  co_return true;
}

Reading<bool> copy_string(Source& in, const Put& put) {
  const int quote = co_await in.peek();
  in.take();
  put("\"");
  for (;;) {
    const int c = co_await in.peek();
    if (c == Source::kEnd) co_return false;
    in.take();
    if (c == quote) break;
    if (c == '\\') {
      const bool is_whole = co_await copy_escape(in, put);
      if (!is_whole) co_return false;
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
    if (is_whole) put(as_json(text, types).value_or(json::quote(text)));
    co_return is_whole;
  }
  std::string value;  // a string is wanted, and nothing else
  const bool is_bracket = c == '{' || c == '[';
  if (is_bracket) {
    const Put into = [&](std::string_view piece) { value += piece; };
    const bool is_whole = co_await copy_json(in, into, depth);
    if (!is_whole) co_return false;
  } else {
    value = co_await read_bare(in);
    if (value.empty()) co_return false;
  }
  put(literal_of(value) == "null" ? "null" : json::quote(value));
  co_return true;
}

// Members up to the closing bracket, which is put also where the text ends between two values.
Reading<bool> copy_members(Source& in, const Put& put, int depth, const ArgumentTypes* types) {
  const int open = co_await in.peek();
  const bool is_object = open == '{';
  const int close = is_object ? '}' : ']';
  in.take();
  put(is_object ? "{" : "[");
  for (bool is_first = true;; is_first = false) {
    co_await skip_space(in);
    int c = co_await in.peek();
    while (c == ',') {
      in.take();
      co_await skip_space(in);
      c = co_await in.peek();
    }
    if (c == Source::kEnd && in.is_cut()) co_return false;
    if (c == close) in.take();
    if (c == close || c == Source::kEnd) break;
    if (!is_first) put(", ");
    Types expected = Types::any();
    if (is_object) {
      std::string key;
      if (c == '"' || c == '\'') {
        const bool is_whole = co_await read_string(in, key);
        if (!is_whole) co_return false;
      } else {
        key = co_await read_bare(in);
        if (key.empty()) co_return false;
      }
      co_await skip_space(in);
      const bool has_colon = co_await accept(in, ":");
      if (!has_colon) co_return false;
      put(json::quote(key));
      put(": ");
      co_await skip_space(in);
      if (types) expected = types->tools.types_of(types->tool, key);
    }
    const bool is_whole = co_await copy_typed(in, expected, put, depth + 1);
    if (!is_whole) co_return false;
  }
  put(is_object ? "}" : "]");
  co_return true;
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
  if (c == '"' || c == '\'') co_return co_await copy_string(in, put);
  const std::string word = co_await read_bare(in);
  if (word.empty()) co_return false;
  put(json_of_word(word));
  co_return true;
}

Reading<bool> read_string(Source& in, std::string& out) {
  std::string quoted;
  const Put put = [&](std::string_view piece) { quoted += piece; };
  const bool is_whole = co_await copy_string(in, put);
  if (!is_whole) co_return false;
  auto value = json::parse_value(quoted);  // lone surrogates are refused there
  if (value && value->is_string())
    out.assign(value->get_string());
  else
    out = quoted.substr(1, quoted.size() - 2);
  co_return true;
}

Reading<bool> copy_arguments(Source& in, ArgumentTypes types, const Put& put) {
  co_await skip_space(in);
  const int c = co_await in.peek();
  if (c == '{') co_return co_await copy_members(in, put, 0, &types);
  if (c == '"' || c == '\'') {
    std::string text;
    const bool is_whole = co_await read_string(in, text);
    if (!is_whole) co_return false;
    if (text.find_first_not_of(" \t\r\n") == text.npos) text = "{}";
    Source inner;
    inner.push(text);
    inner.finish(true);
    co_await skip_space(inner);
    const int first = co_await inner.peek();
    if (first != '{') {
      put(json::quote(text));
      co_return true;
    }
    co_return co_await copy_members(inner, put, 0, &types);
  }
  std::string value;
  const Put into = [&](std::string_view piece) { value += piece; };
  const bool is_whole = co_await copy_json(in, into);
  if (is_whole) put(value == "null" ? "{}" : value);
  co_return is_whole;
}

std::string json_of_text(std::string_view text, Types types) {
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const std::string_view trimmed = text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
  if (types.string) types = {.null = types.null};  // what could be a string is one
  if (auto value = as_json(trimmed, types)) return *value;
  return json::quote(text);
}

}  // namespace hearth::dialects
