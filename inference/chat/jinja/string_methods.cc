// Methods of str. Positions are in code points, as in Python.
#include <algorithm>

#include "chat/jinja/format.h"
#include "chat/jinja/method_tables.h"
#include "chat/jinja/string_ops.h"

namespace hearth::jinja {

namespace {

const Str& self(const Arguments& arguments) { return arguments[0].as<Str>(); }

// Work is paid for by what is walked: the subject, whatever the method.
const Text& subject(Runtime& runtime, const Arguments& arguments) {
  runtime.work(self(arguments).text.size());
  return self(arguments).text;
}

Value result(Runtime& runtime, const Arguments& arguments, Text text) {
  return make_string(runtime, std::move(text), self(arguments).markup);
}

Value list_of(Runtime& runtime, const Arguments& arguments, std::vector<Text> parts) {
  std::vector<Value> items;
  items.reserve(parts.size());
  for (Text& part : parts) items.push_back(result(runtime, arguments, std::move(part)));
  return make_list(runtime, std::move(items));
}

int64_t clamped(Int value) {
  return static_cast<int64_t>(
      std::clamp(value, static_cast<Int>(INT64_MIN), static_cast<Int>(INT64_MAX)));
}

template <unicode::Case kTo>
Value to_case(Runtime& runtime, Arguments& arguments) {
  return result(runtime, arguments, change_case(subject(runtime, arguments), kTo));
}

template <Text (*kRewrite)(const Text&)>
Value rewritten(Runtime& runtime, Arguments& arguments) {
  return result(runtime, arguments, kRewrite(subject(runtime, arguments)));
}

template <uint32_t kFlags>
Value is_all(Runtime& runtime, Arguments& arguments) {
  return Value::boolean(all_are(subject(runtime, arguments).bytes, kFlags));
}

template <unicode::Flags kCase>
Value is_case(Runtime& runtime, Arguments& arguments) {
  return Value::boolean(is_in_case(subject(runtime, arguments).bytes, kCase));
}

Value is_ascii(Runtime&, Arguments& arguments) {
  return Value::boolean(self(arguments).is_ascii());
}

Value is_printable(Runtime& runtime, Arguments& arguments) {
  const std::string& text = subject(runtime, arguments).bytes;
  return Value::boolean(text.empty() || all_are(text, unicode::printable));
}

Value is_titled(Runtime& runtime, Arguments& arguments) {
  return Value::boolean(is_title(subject(runtime, arguments).bytes));
}

Value is_a_name(Runtime& runtime, Arguments& arguments) {
  return Value::boolean(is_identifier(subject(runtime, arguments).bytes));
}

template <Side kSide>
Value stripped(Runtime& runtime, Arguments& arguments) {
  const std::string* characters = nullptr;
  if (arguments.has(1) && !arguments[1].is_none())
    characters = &string_argument(arguments[1], "strip").text.bytes;
  if (characters) runtime.work(self(arguments).text.size() * characters->size());
  return result(runtime, arguments, strip(subject(runtime, arguments), kSide, characters));
}

const std::string* separator(const Arguments& arguments) {
  if (!arguments.has(1) || arguments[1].is_none()) return nullptr;
  const std::string& text = string_argument(arguments[1], "split").text.bytes;
  if (text.empty()) fail("empty separator");
  return &text;
}

size_t occurrences(std::string_view text, std::string_view wanted) {
  size_t n = 0;
  for (size_t at = text.find(wanted); at != std::string::npos;
       at = text.find(wanted, at + wanted.size()))
    ++n;
  return n;
}

// A long text of separators falls into many more bytes of parts: measured before it is cut.
void check_parts(Runtime& runtime, size_t n_parts) {
  runtime.check_room(n_parts, sizeof(Str) + sizeof(Text) + sizeof(Value));
}

template <std::vector<Text> (*kSplit)(const Text&, const std::string*, int64_t)>
Value split_up(Runtime& runtime, Arguments& arguments) {
  int64_t limit = clamped(int_or(arguments[2], -1, "split"));
  const std::string* between = separator(arguments);
  const std::string& text = self(arguments).text.bytes;
  check_parts(runtime, 1 + (between ? occurrences(text, *between) : count_words(text)));
  return list_of(runtime, arguments, kSplit(subject(runtime, arguments), between, limit));
}

Value lines(Runtime& runtime, Arguments& arguments) {
  bool keep_ends = arguments.has(1) && truth(runtime, arguments[1]);
  check_parts(runtime, count_lines(self(arguments).text.bytes));
  return list_of(runtime, arguments, split_lines(subject(runtime, arguments), keep_ends));
}

template <bool kFromRight>
Value partition(Runtime& runtime, Arguments& arguments) {
  const Text& text = subject(runtime, arguments);
  const Str& around = string_argument(arguments[1], "partition");
  if (around.text.bytes.empty()) fail("empty separator");
  size_t at = kFromRight ? text.bytes.rfind(around.text.bytes) : text.bytes.find(around.text.bytes);
  bool found = at != std::string::npos;
  size_t head_end = found ? at : kFromRight ? 0 : text.size();
  size_t tail_begin = found ? at + around.text.size() : head_end;
  return make_tuple(runtime, {result(runtime, arguments, text.slice(0, head_end)),
                              result(runtime, arguments, text.slice(head_end, tail_begin)),
                              result(runtime, arguments, text.slice(tail_begin, text.size()))});
}

Value replaced(Runtime& runtime, Arguments& arguments) {
  const Text& text = subject(runtime, arguments);
  const std::string& from = string_argument(arguments[1], "replace").text.bytes;
  const Str& to = string_argument(arguments[2], "replace");
  return result(
      runtime, arguments,
      replace_within(runtime, text, from,
                     self(arguments).markup && !to.markup ? escape_html(to.text) : to.text,
                     int_or(arguments[3], -1, "replace")));
}

Value join(Runtime& runtime, Arguments& arguments) {
  std::vector<Value> items = to_items(runtime, arguments[1]);
  Text out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.append(self(arguments).text);
    if (!items[i].is_string())
      fail("sequence item ", std::to_string(i), ": expected str instance, ", type_name(items[i]),
           " found");
    const Str& item = items[i].as<Str>();
    runtime.check_room(out.size() + item.text.size() + self(arguments).text.size());
    out.append(self(arguments).markup && !item.markup ? escape_html(item.text) : item.text);
  }
  return result(runtime, arguments, std::move(out));
}

// The stretch [start, end) of code points that arguments 2 and 3 name, in bytes; nothing if empty
// by being out of range.
std::optional<std::pair<size_t, size_t>> stretch(const Arguments& arguments) {
  const Str& string = self(arguments);
  Int length = static_cast<Int>(string.length());
  auto bound = [&](size_t i, Int fallback) {
    if (!arguments.has(i) || arguments[i].is_none()) return fallback;
    Int at = int_argument(arguments[i], "find");
    return std::max(at < 0 ? at + length : at, Int{0});
  };
  Int begin = bound(2, 0), end = std::min(bound(3, length), length);
  if (begin > end) return std::nullopt;
  return std::pair(string.offset(static_cast<size_t>(begin)),
                   string.offset(static_cast<size_t>(end)));
}

template <bool kFromRight>
std::optional<size_t> search(Runtime& runtime, const Arguments& arguments) {
  const Text& text = subject(runtime, arguments);
  const std::string& wanted = string_argument(arguments[1], "find").text.bytes;
  auto within = stretch(arguments);
  if (!within) return std::nullopt;
  std::string_view view = text.view().substr(within->first, within->second - within->first);
  size_t at = kFromRight ? view.rfind(wanted) : view.find(wanted);
  if (at == std::string_view::npos) return std::nullopt;
  return unicode::count(text.view().substr(0, within->first + at));
}

template <bool kFromRight>
Value find(Runtime& runtime, Arguments& arguments) {
  auto at = search<kFromRight>(runtime, arguments);
  return Value::integer(at ? static_cast<Int>(*at) : -1);
}

template <bool kFromRight>
Value index(Runtime& runtime, Arguments& arguments) {
  auto at = search<kFromRight>(runtime, arguments);
  if (!at) fail("substring not found");
  return Value::integer(static_cast<Int>(*at));
}

Value count(Runtime& runtime, Arguments& arguments) {
  const Text& text = subject(runtime, arguments);
  const std::string& wanted = string_argument(arguments[1], "count").text.bytes;
  auto within = stretch(arguments);
  if (!within) return Value::integer(0);
  std::string_view view = text.view().substr(within->first, within->second - within->first);
  if (wanted.empty()) return Value::integer(static_cast<Int>(unicode::count(view)) + 1);
  return Value::integer(static_cast<Int>(occurrences(view, wanted)));
}

template <bool kAtEnd>
Value has_affix(Runtime& runtime, Arguments& arguments) {
  const char* name = kAtEnd ? "endswith" : "startswith";
  std::vector<Value> affixes = {arguments[1]};
  if (arguments[1].is(Kind::tuple)) affixes = arguments[1].as<Sequence>().items;
  auto within = stretch(arguments);
  for (const Value& affix : affixes) {
    const std::string& wanted = string_argument(affix, name).text.bytes;
    runtime.work(wanted.size());
    if (!within) continue;
    std::string_view view =
        self(arguments).text.view().substr(within->first, within->second - within->first);
    if (kAtEnd ? view.ends_with(wanted) : view.starts_with(wanted)) return Value::boolean(true);
  }
  return Value::boolean(false);
}

Value without_prefix(Runtime& runtime, Arguments& arguments) {
  const Text& text = subject(runtime, arguments);
  const std::string& prefix = string_argument(arguments[1], "removeprefix").text.bytes;
  size_t begin = text.view().starts_with(prefix) ? prefix.size() : 0;
  return result(runtime, arguments, text.slice(begin, text.size()));
}

Value without_suffix(Runtime& runtime, Arguments& arguments) {
  const Text& text = subject(runtime, arguments);
  const std::string& suffix = string_argument(arguments[1], "removesuffix").text.bytes;
  size_t end = text.size() - (text.view().ends_with(suffix) ? suffix.size() : 0);
  return result(runtime, arguments, text.slice(0, end));
}

Value padded(Runtime& runtime, const Arguments& arguments, size_t before, size_t after) {
  Text fill(" ");
  if (arguments.has(2)) {
    const Str& given = string_argument(arguments[2], "center");
    if (given.length() != 1) fail("The fill character must be exactly one character long");
    fill = given.text;
  }
  runtime.check_room((before + after) * fill.size());
  Text out;
  for (size_t i = 0; i < before; ++i) out.append(fill);
  out.append(self(arguments).text);
  for (size_t i = 0; i < after; ++i) out.append(fill);
  return result(runtime, arguments, std::move(out));
}

size_t missing_width(Runtime& runtime, const Arguments& arguments) {
  Int width = int_argument(arguments[1], "center");
  Int missing = width - static_cast<Int>(self(arguments).length());
  if (missing <= 0) return 0;
  if (missing > static_cast<Int>(SIZE_MAX / 8)) fail("width is too large");
  runtime.check_room(static_cast<size_t>(missing));
  return static_cast<size_t>(missing);
}

Value center(Runtime& runtime, Arguments& arguments) {
  size_t missing = missing_width(runtime, arguments);
  size_t width = missing + self(arguments).length();
  size_t before = missing / 2 + (missing & width & 1);
  return padded(runtime, arguments, before, missing - before);
}

Value align_left(Runtime& runtime, Arguments& arguments) {
  return padded(runtime, arguments, 0, missing_width(runtime, arguments));
}

Value align_right(Runtime& runtime, Arguments& arguments) {
  return padded(runtime, arguments, missing_width(runtime, arguments), 0);
}

Value zero_fill(Runtime& runtime, Arguments& arguments) {
  const Text& text = subject(runtime, arguments);
  size_t missing = missing_width(runtime, arguments);
  size_t sign = !text.bytes.empty() && (text.bytes[0] == '+' || text.bytes[0] == '-') ? 1 : 0;
  Text out = text.slice(0, sign);
  out.append(std::string(missing, '0'));
  out.append(text, sign, text.size());
  return result(runtime, arguments, std::move(out));
}

Value tabs_expanded(Runtime& runtime, Arguments& arguments) {
  Int size = std::clamp(int_or(arguments[1], 8, "expandtabs"), Int{0}, Int{1024});
  runtime.check_room(self(arguments).text.size(), static_cast<size_t>(size) + 1);
  return result(runtime, arguments,
                expand_tabs(subject(runtime, arguments), static_cast<int64_t>(size)));
}

Value format(Runtime& runtime, Arguments& arguments) {
  Arguments rest;
  rest.positional.assign(arguments.positional.begin() + 1, arguments.positional.end());
  rest.named = std::move(arguments.named);
  return brace_format(runtime, self(arguments), rest);
}

Value format_map(Runtime& runtime, Arguments& arguments) {
  if (!arguments[1].is(Kind::dict)) fail("format_map() expected a mapping");
  Arguments named;
  for (const auto& [key, value] : arguments[1].as<Dict>().items())
    if (key.is_string()) named.named.emplace_back(key.as<Str>().text.bytes, value);
  return brace_format(runtime, self(arguments), named);
}

using unicode::Case;

constexpr Native kMethods[] = {
    {"capitalize", rewritten<capitalize>, 1, {"self"}},
    {"casefold", to_case<Case::fold>, 1, {"self"}},
    {"center", center, 2, {"self", "width", "fillchar"}, false},
    {"count", count, 2, {"self", "sub", "start", "end"}, false},
    {"endswith", has_affix<true>, 2, {"self", "suffix", "start", "end"}, false},
    {"expandtabs", tabs_expanded, 1, {"self", "tabsize"}},
    {"find", find<false>, 2, {"self", "sub", "start", "end"}, false},
    {"format", format, Native::kVariadic},
    {"format_map", format_map, 2, {"self", "mapping"}, false},
    {"index", index<false>, 2, {"self", "sub", "start", "end"}, false},
    {"isalnum",
     is_all<unicode::alpha | unicode::decimal | unicode::digit | unicode::numeric>,
     1,
     {"self"}},
    {"isalpha", is_all<unicode::alpha>, 1, {"self"}},
    {"isascii", is_ascii, 1, {"self"}},
    {"isdecimal", is_all<unicode::decimal>, 1, {"self"}},
    {"isdigit", is_all<unicode::digit>, 1, {"self"}},
    {"isidentifier", is_a_name, 1, {"self"}},
    {"islower", is_case<unicode::lower>, 1, {"self"}},
    {"isnumeric", is_all<unicode::numeric>, 1, {"self"}},
    {"isprintable", is_printable, 1, {"self"}},
    {"isspace", is_all<unicode::space>, 1, {"self"}},
    {"istitle", is_titled, 1, {"self"}},
    {"isupper", is_case<unicode::upper>, 1, {"self"}},
    {"join", join, 2, {"self", "iterable"}, false},
    {"ljust", align_left, 2, {"self", "width", "fillchar"}, false},
    {"lower", to_case<Case::lower>, 1, {"self"}},
    {"lstrip", stripped<Side::left>, 1, {"self", "chars"}, false},
    {"partition", partition<false>, 2, {"self", "sep"}, false},
    {"removeprefix", without_prefix, 2, {"self", "prefix"}, false},
    {"removesuffix", without_suffix, 2, {"self", "suffix"}, false},
    {"replace", replaced, 3, {"self", "old", "new", "count"}, false},
    {"rfind", find<true>, 2, {"self", "sub", "start", "end"}, false},
    {"rindex", index<true>, 2, {"self", "sub", "start", "end"}, false},
    {"rjust", align_right, 2, {"self", "width", "fillchar"}, false},
    {"rpartition", partition<true>, 2, {"self", "sep"}, false},
    {"rsplit", split_up<split_from_right>, 1, {"self", "sep", "maxsplit"}},
    {"rstrip", stripped<Side::right>, 1, {"self", "chars"}, false},
    {"split", split_up<split>, 1, {"self", "sep", "maxsplit"}},
    {"splitlines", lines, 1, {"self", "keepends"}},
    {"startswith", has_affix<false>, 2, {"self", "prefix", "start", "end"}, false},
    {"strip", stripped<Side::both>, 1, {"self", "chars"}, false},
    {"swapcase", rewritten<swap_case>, 1, {"self"}},
    {"title", rewritten<title_case>, 1, {"self"}},
    {"upper", to_case<Case::upper>, 1, {"self"}},
    {"zfill", zero_fill, 2, {"self", "width"}, false},
};

}  // namespace

std::span<const Native> string_methods() { return kMethods; }

Text replace_within(Runtime& runtime, const Text& text, const std::string& from, const Text& to,
                    Int count) {
  runtime.work(text.size());
  // The result is measured before it is built: replacing "" can multiply a text's length.
  size_t n = from.empty() ? unicode::count(text.bytes) + 1 : occurrences(text.bytes, from);
  if (count >= 0 && count < static_cast<Int>(n)) n = static_cast<size_t>(count);
  runtime.check_room(text.size());
  runtime.check_room(n, to.size());
  return replace(text, from, to, clamped(count));
}

}  // namespace hearth::jinja
