#include "chat/jinja/format_spec.h"

#include <charconv>
#include <cmath>

#include "chat/jinja/unicode.h"

namespace hearth::jinja {

namespace {

std::string digits_of(Int value, unsigned base) {
  auto rest = static_cast<unsigned __int128>(value < 0 ? -value : value);
  if (value < 0) rest = 0 - static_cast<unsigned __int128>(value);
  std::string digits;
  do {
    digits.insert(digits.begin(), "0123456789abcdef"[static_cast<size_t>(rest % base)]);
    rest /= base;
  } while (rest > 0);
  return digits;
}

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

std::string group(const std::string& digits, char separator, size_t every) {
  size_t whole = digits.find_first_not_of("0123456789abcdefABCDEF");
  if (whole == std::string::npos) whole = digits.size();
  std::string out = digits;
  for (size_t at = whole; at > every; at -= every) out.insert(at - every, 1, separator);
  return out;
}

// Sign and prefix, then digits; '=' pads between the two.
std::string lay_out(bool negative, std::string prefix, std::string digits, const FormatSpec& spec) {
  std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  prefix = sign + prefix;
  if (spec.align == '=' || (spec.align == 0 && spec.fill == "0")) {
    size_t length = prefix.size() + digits.size();
    std::string fill;
    for (size_t i = length; i < spec.width; ++i) fill += spec.fill;
    return prefix + fill + digits;
  }
  return pad(Text(prefix + digits), spec, '>').bytes;
}

FormatSpec parse_spec(const Text& text) {
  FormatSpec spec;
  std::string_view view = text.bytes;
  auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  size_t at = 0;
  if (!view.empty()) {
    size_t after_fill = 0;
    unicode::decode(view, after_fill);
    if (after_fill < view.size() && is_align(view[after_fill])) {
      spec.fill = view.substr(0, after_fill);
      spec.align = view[after_fill];
      at = after_fill + 1;
    } else if (is_align(view[0])) {
      spec.align = view[0];
      at = 1;
    }
  }
  auto take = [&](std::string_view any_of) {
    if (at < view.size() && any_of.find(view[at]) != std::string_view::npos) return view[at++];
    return '\0';
  };
  if (char sign = take("+- ")) spec.sign = sign;
  spec.alternate = take("#") != 0;
  if (take("0") && spec.align == 0) {
    spec.fill = "0";
    spec.align = '=';
  }
  spec.width = read_size(view, at).value_or(0);
  spec.grouping = take(",_");
  if (take(".")) {
    spec.precision = read_size(view, at);
    if (!spec.precision) fail("Format specifier missing precision");
  }
  if (at < view.size()) spec.type = view[at++];
  if (at < view.size()) fail("Invalid format specifier '", text.bytes, "'");
  return spec;
}

Text format_string(const Str& string, FormatSpec spec) {
  if (spec.type != 0 && spec.type != 's')
    fail("Unknown format code '", spec.type, "' for object of type 'str'");
  if (spec.align == '=') {
    if (spec.fill != "0") fail("'=' alignment not allowed in string format specifier");
    spec.align = '<';
  }
  if (spec.sign != '-' || spec.alternate || spec.grouping)
    fail("Sign, '#' and grouping not allowed in string format specifier");
  size_t end = string.text.size();
  if (spec.precision && *spec.precision < string.length()) end = string.offset(*spec.precision);
  return pad(string.text.slice(0, end), spec, '<');
}

}  // namespace

std::optional<size_t> read_size(std::string_view text, size_t& at) {
  size_t value = 0, begin = at;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    value = value * 10 + static_cast<size_t>(text[at] - '0');
    if (value > kMaxWidth) fail("width or precision in a format is too large");
  }
  return at == begin ? std::nullopt : std::optional(value);
}

Text pad(const Text& body, const FormatSpec& spec, char default_align) {
  size_t length = unicode::count(body.bytes);
  if (length >= spec.width) return body;
  size_t missing = spec.width - length;
  char align = spec.align && spec.align != '=' ? spec.align : default_align;
  size_t before = align == '>' ? missing : align == '^' ? missing / 2 : 0;
  Text out;
  for (size_t i = 0; i < before; ++i) out.append(spec.fill);
  out.append(body);
  for (size_t i = before; i < missing; ++i) out.append(spec.fill);
  return out;
}

std::string format_int(Int value, const FormatSpec& spec) {
  unsigned base = 10;
  std::string prefix;
  switch (spec.type) {
    case 0:
    case 'd':
    case 'n': break;
    case 'b': base = 2, prefix = "0b"; break;
    case 'o': base = 8, prefix = "0o"; break;
    case 'x': base = 16, prefix = "0x"; break;
    case 'X': base = 16, prefix = "0X"; break;
    default: fail("Unknown format code '", spec.type, "' for object of type 'int'");
  }
  std::string digits = digits_of(value, base);
  if (spec.type == 'X') digits = upper(digits);
  if (spec.precision && digits.size() < *spec.precision)
    digits.insert(0, *spec.precision - digits.size(), '0');
  if (spec.grouping) digits = group(digits, spec.grouping, base == 10 ? 3 : 4);
  return lay_out(value < 0, spec.alternate ? prefix : "", digits, spec);
}

std::string float_digits(double value, char type, int precision) {
  std::string buffer(static_cast<size_t>(precision) + 400, '\0');
  auto format = type == 'e'   ? std::chars_format::scientific
                : type == 'f' ? std::chars_format::fixed
                              : std::chars_format::general;
  auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format, precision);
  buffer.resize(static_cast<size_t>(end.ptr - buffer.data()));
  return buffer;
}

std::string format_float(double value, const FormatSpec& spec) {
  char type = spec.type;
  bool capital = type == 'E' || type == 'F' || type == 'G';
  if (capital) type = static_cast<char>(type - 'A' + 'a');
  bool negative = std::signbit(value) && !std::isnan(value);
  double magnitude = std::fabs(value);
  int precision = static_cast<int>(spec.precision.value_or(6));
  std::string digits;
  switch (type) {
    case 'e':
    case 'f':
    case 'g':
    case 'n': digits = float_digits(magnitude, type == 'n' ? 'g' : type, precision); break;
    case '%': digits = float_digits(magnitude * 100, 'f', precision) + "%"; break;
    case 0:
      if (!spec.precision) {
        digits = float_repr(magnitude);
      } else {
        digits = float_digits(magnitude, 'g', std::max(precision, 1));
        if (std::isfinite(value) && digits.find_first_of(".e") == std::string::npos) digits += ".0";
      }
      break;
    default: fail("Unknown format code '", spec.type, "' for object of type 'float'");
  }
  if (capital) digits = upper(digits);
  if (spec.grouping) digits = group(digits, spec.grouping, 3);
  return lay_out(negative, "", digits, spec);
}

Text format_value(Runtime& runtime, const Value& value, const Text& spec_text) {
  if (spec_text.bytes.empty()) return to_text(runtime, value);
  FormatSpec spec = parse_spec(spec_text);
  runtime.work(spec.width);
  if (value.is_string()) return format_string(value.as<Str>(), spec);
  if (value.is_int()) {
    constexpr std::string_view kFloatTypes = "eEfFgG%";
    if (spec.type == 'c') {
      Text character;
      Int code = value.as_int();
      if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        fail("%c arg not in range(0x110000)");
      unicode::append(character.bytes, static_cast<char32_t>(code));
      return pad(character, spec, '<');
    }
    if (spec.type && kFloatTypes.find(spec.type) != std::string_view::npos)
      return Text(format_float(value.as_real(), spec));
    if (spec.precision) fail("Precision not allowed in integer format specifier");
    return Text(format_int(value.as_int(), spec));
  }
  if (value.is(Kind::real)) return Text(format_float(value.as_real(), spec));
  fail("unsupported format string passed to ", type_name(value), ".__format__");
}

}  // namespace hearth::jinja
