// Filters whose subject is text.
#include <algorithm>
#include <cmath>

#include "chat/jinja/format.h"
#include "chat/jinja/format_spec.h"
#include "chat/jinja/method_tables.h"
#include "chat/jinja/string_ops.h"

namespace hearth::jinja {

namespace {

// A string as it is; anything else by str().
Value soft_string(Runtime& runtime, const Value& value) {
  return value.is_string() ? value : make_string(runtime, to_text(runtime, value));
}

// The filters that are a str method of the subject's text.
template <const char* kMethod>
Value method_of_text(Runtime& runtime, Arguments& arguments) {
  arguments.positional[0] = soft_string(runtime, arguments[0]);
  const Native* method = find_method(arguments[0], kMethod);
  while (!arguments.positional.empty() && arguments.positional.back().is_missing())
    arguments.positional.pop_back();
  return invoke(runtime, *method, arguments);
}

constexpr char kUpper[] = "upper", kLower[] = "lower", kCapitalize[] = "capitalize",
               kCenter[] = "center", kStrip[] = "strip";

Value center(Runtime& runtime, Arguments& arguments) {
  if (!arguments.has(1)) arguments.positional[1] = Value::integer(80);
  return method_of_text<kCenter>(runtime, arguments);
}

Value string(Runtime& runtime, Arguments& arguments) { return soft_string(runtime, arguments[0]); }

Value safe(Runtime& runtime, Arguments& arguments) {
  return make_string(runtime, to_text(runtime, arguments[0]), true);
}

Value force_escape(Runtime& runtime, Arguments& arguments) {
  Text text = to_text(runtime, arguments[0]);
  runtime.check_room(text.size(), 5);
  return make_string(runtime, escape_html(text), true);
}

Value escape(Runtime& runtime, Arguments& arguments) {
  bool safe = arguments[0].is_string() && arguments[0].as<Str>().markup;
  return safe ? arguments[0] : force_escape(runtime, arguments);
}

Value replace(Runtime& runtime, Arguments& arguments) {
  Text from = to_text(runtime, arguments[1]);
  Text to = to_text(runtime, arguments[2]);
  bool limited = arguments.has(3) && !arguments[3].is_none();
  Int count = limited ? int_argument(arguments[3], "replace") : -1;
  return make_string(
      runtime, replace_within(runtime, to_text(runtime, arguments[0]), from.bytes, to, count));
}

Value format(Runtime& runtime, Arguments& arguments) {
  Value text = soft_string(runtime, arguments[0]);
  if (arguments.named.empty())
    return percent_format(
        runtime, text.as<Str>(),
        make_tuple(runtime, {arguments.positional.begin() + 1, arguments.positional.end()}));
  if (arguments.positional.size() > 1)
    fail("can't handle positional and keyword arguments at the same time");
  Ref<Dict> named = make_dict(runtime);
  for (auto& [name, value] : arguments.named)
    named->set(runtime, make_string(runtime, name), std::move(value));
  return percent_format(runtime, text.as<Str>(), named);
}

// Words start at the beginning and after -, white space or an opening bracket.
Value title(Runtime& runtime, Arguments& arguments) {
  Value subject = soft_string(runtime, arguments[0]);
  const Text& text = subject.as<Str>().text;
  runtime.work(text.size());
  auto separates = [](char32_t code) {
    return unicode::is(code, unicode::space) ||
           (code < 0x80 &&
            std::string_view("-({[<").find(static_cast<char>(code)) != std::string_view::npos);
  };
  Text out;
  size_t at = 0;
  while (at < text.size()) {
    size_t begin = at;
    bool separator = separates(unicode::decode(text.bytes, at));
    size_t first_end = at, end = at;
    while (end < text.size()) {
      size_t next = end;
      if (separates(unicode::decode(text.bytes, next)) != separator) break;
      end = next;
    }
    out.append(change_case(text.slice(begin, first_end), unicode::Case::upper));
    out.append(change_case(text.slice(first_end, end), unicode::Case::lower));
    at = end;
  }
  return make_string(runtime, std::move(out));
}

Value indent(Runtime& runtime, Arguments& arguments) {
  const Value& width = arguments[1];
  Text indention("    ");
  if (width.is_string()) {
    indention = width.as<Str>().text;
  } else if (!width.is_missing()) {
    Int spaces = std::max(int_argument(width, "indent"), Int{0});
    if (spaces > static_cast<Int>(kMaxWidth)) fail("indent() width is too large");
    indention = Text(std::string(static_cast<size_t>(spaces), ' '));
  }
  bool first = arguments.has(2) && truth(runtime, arguments[2]);
  bool blank = arguments.has(3) && truth(runtime, arguments[3]);
  const Str& subject = string_argument(arguments[0], "indent");
  runtime.work(subject.text.size());
  Text text = subject.text;
  text.append("\n");  // so that a trailing line break stays a line
  std::vector<Text> lines = split_lines(text);
  runtime.check_room(text.size());
  runtime.check_room(lines.size(), indention.size());
  Text out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.append("\n");
    if (i == 0 ? first : blank || lines[i].size() > 0) out.append(indention);
    out.append(lines[i]);
  }
  return make_string(runtime, std::move(out), subject.markup);
}

Value truncate(Runtime& runtime, Arguments& arguments) {
  Int limit = int_or(arguments[1], 255, "truncate");
  bool kill_words = arguments.has(2) && truth(runtime, arguments[2]);
  Text end = arguments.has(3) ? string_argument(arguments[3], "truncate").text : Text("...");
  bool has_leeway = arguments.has(4) && !arguments[4].is_none();
  Int leeway = has_leeway ? int_argument(arguments[4], "truncate") : 5;
  Int end_length = static_cast<Int>(unicode::count(end.bytes));
  if (limit < end_length) fail("truncate() expected length >= ", to_string(end_length));
  if (leeway < 0) fail("truncate() expected leeway >= 0");
  auto size = length(runtime, arguments[0]);
  if (size && *size <= limit + leeway) return arguments[0];
  const Str& subject = string_argument(arguments[0], "truncate");
  Text out = subject.text.slice(0, subject.offset(static_cast<size_t>(limit - end_length)));
  size_t space = out.bytes.rfind(' ');
  if (!kill_words && space != std::string::npos) out = out.slice(0, space);
  out.append(end);
  return make_string(runtime, std::move(out), subject.markup);
}

Value word_count(Runtime& runtime, Arguments& arguments) {
  Text text = to_text(runtime, arguments[0]);
  Int n = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    char32_t code = unicode::decode(text.bytes, at);
    bool word = code == '_' || unicode::is(code, unicode::alpha | unicode::decimal |
                                                     unicode::digit | unicode::numeric);
    n += word && !inside;
    inside = word;
  }
  return Value::integer(n);
}

Text url_quoted(const Text& text, bool in_query) {
  constexpr char kHex[] = "0123456789ABCDEF";
  Text out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text.bytes[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !in_query);
    std::string piece(1, c);
    if (in_query && c == ' ')
      piece = "+";
    else if (!plain)
      piece = {'%', kHex[c >> 4 & 0xF], kHex[c & 0xF]};
    out.append(piece, text.origin(i, i + 1));
  }
  return out;
}

Value url_encode(Runtime& runtime, Arguments& arguments) {
  const Value& value = arguments[0];
  if (value.is_string() || !is_iterable(value))
    return make_string(runtime, url_quoted(to_text(runtime, value), false));
  std::vector<Value> pairs;
  if (value.is(Kind::dict)) {
    for (const auto& [key, item] : value.as<Dict>().items())
      pairs.push_back(make_tuple(runtime, {key, item}));
  } else {
    pairs = to_items(runtime, value);
  }
  Text out;
  for (const Value& pair : pairs) {
    std::vector<Value> parts = to_items(runtime, pair);
    if (parts.size() != 2) fail("urlencode expected pairs of key and value");
    if (out.size() > 0) out.append("&");
    out.append(url_quoted(to_text(runtime, parts[0]), true));
    out.append("=");
    out.append(url_quoted(to_text(runtime, parts[1]), true));
    runtime.check_room(out.size());
  }
  return make_string(runtime, std::move(out));
}

Value xml_attributes(Runtime& runtime, Arguments& arguments) {
  if (!arguments[0].is(Kind::dict)) fail("xmlattr expected a mapping");
  Text out;
  for (const auto& [key, value] : arguments[0].as<Dict>().items()) {
    if (value.is_none() || value.is_undefined()) continue;
    const Text& name = string_argument(key, "xmlattr").text;
    if (name.bytes.find_first_of(" \t\n\r\f\v/>=") != std::string::npos)
      fail("Invalid character in attribute name: '", name.bytes, "'");
    if (out.size() > 0) out.append(" ");
    out.append(escape_html(name));
    out.append("=\"");
    bool safe = value.is_string() && value.as<Str>().markup;
    Text text = to_text(runtime, value);
    out.append(safe ? text : escape_html(text));
    out.append("\"");
    runtime.check_room(out.size());
  }
  bool spaced = !arguments.has(1) || truth(runtime, arguments[1]);
  if (!spaced || out.size() == 0) return make_string(runtime, std::move(out));
  Text with_space(" ");
  with_space.append(out);
  return make_string(runtime, std::move(with_space));
}

Value to_json_text(Runtime& runtime, Arguments& arguments) {
  JsonStyle style;
  style.ensure_ascii = arguments.has(1) && truth(runtime, arguments[1]);
  style.sort_keys = arguments.has(4) && truth(runtime, arguments[4]);
  const Value& indent = arguments[2];
  if (indent.is_string()) {
    style.indent = indent.as<Str>().text;
  } else if (!indent.is_missing() && !indent.is_none()) {
    Int spaces = std::max(int_argument(indent, "tojson"), Int{0});
    if (spaces > static_cast<Int>(kMaxWidth)) fail("tojson() indent is too large");
    style.indent = Text(std::string(static_cast<size_t>(spaces), ' '));
  }
  if (style.indent) style.item_separator = Text(",");
  if (arguments.has(3) && !arguments[3].is_none()) {
    std::vector<Value> separators = to_items(runtime, arguments[3]);
    if (separators.size() != 2) fail("tojson() expected two separators");
    style.item_separator = string_argument(separators[0], "tojson").text;
    style.key_separator = string_argument(separators[1], "tojson").text;
  }
  return make_string(runtime, to_json(runtime, arguments[0], style));
}

constexpr Native kFilters[] = {
    {"capitalize", method_of_text<kCapitalize>, 1, {"s"}},
    {"center", center, 1, {"value", "width"}},
    {"e", escape, 1, {"s"}},
    {"escape", escape, 1, {"s"}},
    {"forceescape", force_escape, 1, {"value"}},
    {"format", format, Native::kVariadic},
    {"indent", indent, 1, {"s", "width", "first", "blank"}},
    {"lower", method_of_text<kLower>, 1, {"s"}},
    {"replace", replace, 3, {"s", "old", "new", "count"}},
    {"safe", safe, 1, {"value"}},
    {"string", string, 1, {"object"}},
    {"title", title, 1, {"s"}},
    {"tojson", to_json_text, 1, {"x", "ensure_ascii", "indent", "separators", "sort_keys"}},
    {"trim", method_of_text<kStrip>, 1, {"value", "chars"}},
    {"truncate", truncate, 1, {"s", "length", "killwords", "end", "leeway"}},
    {"upper", method_of_text<kUpper>, 1, {"s"}},
    {"urlencode", url_encode, 1, {"value"}},
    {"wordcount", word_count, 1, {"s"}},
    {"xmlattr", xml_attributes, 1, {"d", "autospace"}},
};

}  // namespace

std::span<const Native> text_filters() { return kFilters; }

}  // namespace hearth::jinja
