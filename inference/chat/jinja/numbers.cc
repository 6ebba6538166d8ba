#include "chat/jinja/numbers.h"

#include <charconv>
#include <cmath>

#include "chat/jinja/format.h"
#include "chat/jinja/string_ops.h"

namespace hearth::jinja {

namespace {

// Without white space around; decimal digits of other scripts as ASCII ones. They come in runs of
// ten, zero first.
std::string normalized(std::string_view text) {
  std::string stripped = strip(Text(std::string(text)), Side::both).bytes;
  std::string out;
  for (size_t at = 0; at < stripped.size();) {
    char32_t code = unicode::decode(stripped, at);
    if (code < 0x80 || !unicode::is(code, unicode::decimal)) {
      unicode::append(out, code);
      continue;
    }
    char32_t run = 0;
    while (unicode::is(code - run - 1, unicode::decimal)) ++run;
    out += static_cast<char>('0' + run % 10);
  }
  return out;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

// Underscores may stand between digits. Nothing when one stands elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
  auto is_digit = [&](size_t i) { return i < text.size() && digit_of(text[i]) < 10; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_')
      out += text[i];
    else if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1))
      return std::nullopt;
  }
  return out;
}

}  // namespace

std::optional<Int> parse_int(std::string_view given, int base) {
  if (base != 0 && (base < 2 || base > 36)) fail("int() base must be >= 2 and <= 36, or 0");
  std::string text = normalized(given);
  size_t at = 0;
  bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) ++at;
  auto has_prefix = [&](char letter) {
    return at + 1 < text.size() && text[at] == '0' && (text[at + 1] | 0x20) == letter;
  };
  bool any_base = base == 0;
  for (auto [letter, of] : {std::pair('x', 16), std::pair('o', 8), std::pair('b', 2)}) {
    if (!has_prefix(letter) || (base != of && !any_base)) continue;
    base = of;
    any_base = false;
    at += 2;
    if (at < text.size() && text[at] == '_') ++at;
    break;
  }
  if (base == 0) base = 10;
  if (any_base && text.size() > at + 1 && text[at] == '0' &&
      text.find_first_not_of("0_", at) != std::string::npos)
    return std::nullopt;  // leading zeros
  Int value = 0;
  bool digit_before = false;
  for (; at < text.size(); ++at) {
    if (text[at] == '_' && digit_before && at + 1 < text.size()) {
      digit_before = false;
      continue;
    }
    int digit = digit_of(text[at]);
    if (digit >= base) return std::nullopt;
    digit_before = true;
    if (__builtin_mul_overflow(value, Int{base}, &value) ||
        __builtin_add_overflow(value, negative ? -Int{digit} : Int{digit}, &value))
      fail("integer is too large");
  }
  return digit_before ? std::optional(value) : std::nullopt;
}

std::optional<double> parse_float(std::string_view given) {
  auto plain = without_underscores(normalized(given));
  if (!plain || plain->empty()) return std::nullopt;
  std::string_view text = *plain;
  bool negative = text[0] == '-';
  if (text[0] == '-' || text[0] == '+') text.remove_prefix(1);
  bool is_word = !text.empty() && digit_of(text[0]) >= 10 && text[0] != '.';
  if (text.empty()) return std::nullopt;
  if (is_word) {
    std::string word = change_case(Text(std::string(text)), unicode::Case::lower).bytes;
    if (word == "inf" || word == "infinity") return negative ? -INFINITY : INFINITY;
    if (word == "nan") return NAN;
    return std::nullopt;
  }
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too large or too small: the sign of the exponent tells.
    size_t e = text.find_first_of("eE");
    bool tiny = e != std::string_view::npos && text.substr(e).find('-') != std::string_view::npos;
    value = tiny ? 0.0 : INFINITY;
  } else if (error != std::errc()) {
    return std::nullopt;
  }
  return negative ? -value : value;
}

std::optional<Int> to_int(double value) {
  if (!(std::fabs(value) < 1.7e38)) return std::nullopt;
  return static_cast<Int>(value);
}

double round_float(double value, Int digits) {
  if (!std::isfinite(value) || digits > 330) return value;
  if (digits < -330) return std::copysign(0.0, value);
  if (digits >= 0) {
    std::string text = float_digits(value, 'f', static_cast<int>(digits));
    double rounded = value;
    std::from_chars(text.data(), text.data() + text.size(), rounded);
    return rounded;
  }
  double unit = std::pow(10.0, static_cast<double>(-digits));
  return std::nearbyint(value / unit) * unit;
}

Int round_int(Int value, Int digits) {
  if (digits >= 0) return value;
  if (digits < -37) return 0;
  Int unit = 1;
  for (Int i = digits; i < 0; ++i) unit *= 10;
  Int rest = value % unit;
  if (rest < 0) rest += unit;
  Int below = value - rest;
  bool up = rest * 2 > unit || (rest * 2 == unit && (below / unit) % 2 != 0);
  return up ? below + unit : below;
}

}  // namespace hearth::jinja
