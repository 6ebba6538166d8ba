#include "chat/jinja/format.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "chat/jinja/loop.h"
#include "chat/jinja/macro.h"
#include "chat/jinja/unicode.h"

namespace hearth::jinja {

namespace {

void append_escape(std::string& out, char32_t code) {
  constexpr char kHex[] = "0123456789abcdef";
  int width = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
  out += code < 0x100 ? "\\x" : code < 0x10000 ? "\\u" : "\\U";
  for (int shift = 4 * (width - 1); shift >= 0; shift -= 4) out += kHex[code >> shift & 0xF];
}

std::string quoted(const std::string& text) {
  bool has_single = text.find('\'') != std::string::npos;
  bool has_double = text.find('"') != std::string::npos;
  char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    char32_t code = unicode::decode(text, at);
    if (code == static_cast<char32_t>(quote) || code == '\\') {
      out += '\\';
      out += static_cast<char>(code);
    } else if (code == '\n') {
      out += "\\n";
    } else if (code == '\r') {
      out += "\\r";
    } else if (code == '\t') {
      out += "\\t";
    } else if (unicode::is(code, unicode::printable)) {
      unicode::append(out, code);
    } else {
      append_escape(out, code);
    }
  }
  out += quote;
  return out;
}

// True while a container is written inside of itself; else marks it as being written.
class InRepr {
 public:
  InRepr(Runtime& runtime, const Object& container) : stack_(runtime.in_repr) {
    is_inside_itself_ = std::find(stack_.begin(), stack_.end(), &container) != stack_.end();
    stack_.push_back(&container);
  }
  ~InRepr() { stack_.pop_back(); }
  InRepr(const InRepr&) = delete;
  explicit operator bool() const { return is_inside_itself_; }

 private:
  std::vector<const Object*>& stack_;
  bool is_inside_itself_;
};

void append_sequence(Runtime& runtime, Text& out, const Sequence& sequence) {
  InRepr again(runtime, sequence);
  out.append(sequence.is_tuple ? "(" : "[");
  if (again) out.append("...");
  for (size_t i = 0; i < sequence.items.size() && !again; ++i) {
    if (i > 0) out.append(", ");
    append_repr(runtime, out, sequence.items[i]);
  }
  if (sequence.is_tuple && sequence.items.size() == 1 && !again) out.append(",");
  out.append(sequence.is_tuple ? ")" : "]");
}

void append_dict(Runtime& runtime, Text& out, const Dict& dict) {
  InRepr again(runtime, dict);
  if (again) return out.append("{...}");
  out.append("{");
  bool first = true;
  for (const auto& [key, value] : dict.items()) {
    if (!first) out.append(", ");
    first = false;
    append_repr(runtime, out, key);
    out.append(": ");
    append_repr(runtime, out, value);
  }
  out.append("}");
}

void append_view(Runtime& runtime, Text& out, const Value& value) {
  const View& view = value.as<View>();
  out.append(type_name(value) + "([");
  for (size_t i = 0; i < view.dict->size(); ++i) {
    if (i > 0) out.append(", ");
    append_repr(runtime, out, view.at(runtime, i));
  }
  out.append("])");
}

std::string range_repr(const Range& range) {
  std::string step = range.step == 1 ? "" : concat(", ", to_string(range.step));
  return concat("range(", to_string(range.start), ", ", to_string(range.stop), step, ")");
}

std::string exponent_form(std::string_view digits, int exponent) {
  std::string text(1, digits[0]);
  if (digits.size() > 1) text.append(".").append(digits.substr(1));
  text += exponent < 0 ? "e-" : "e+";
  std::string power = std::to_string(std::abs(exponent));
  return concat(text, power.size() < 2 ? "0" : "", power);
}

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  // Shortest digits that read back the same, as "d.ddde-xx"; then laid out as Python does.
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, std::fabs(value),
                           std::chars_format::scientific);
  std::string_view text(buffer, static_cast<size_t>(end.ptr - buffer));
  size_t e = text.find('e');
  int exponent = 0;
  std::string_view power = text.substr(e + (text[e + 1] == '+' ? 2 : 1));
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);

  std::string out = std::signbit(value) ? "-" : "";
  if (exponent < -4 || exponent >= 16) return out + exponent_form(digits, exponent);
  if (exponent < 0)
    return concat(out, "0.", std::string(static_cast<size_t>(-exponent - 1), '0'), digits);
  size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole)
    return concat(out, digits, std::string(whole - digits.size(), '0'), ".0");
  return concat(out, digits.substr(0, whole), ".", digits.substr(whole));
}

void append_repr(Runtime& runtime, Text& out, const Value& value) {
  Nesting nesting(runtime);
  runtime.work(0);
  runtime.check_room(out.size());
  switch (value.kind()) {
    case Kind::missing: out.append("missing"); return;
    case Kind::undefined: out.append("Undefined"); return;
    case Kind::none: out.append("None"); return;
    case Kind::boolean: out.append(value.as_bool() ? "True" : "False"); return;
    case Kind::integer: out.append(to_string(value.as_int())); return;
    case Kind::real: out.append(float_repr(value.as_real())); return;
    case Kind::string: {
      const Str& string = value.as<Str>();
      runtime.work(string.text.size());
      std::string text = quoted(string.text.bytes);
      out.append(string.markup ? concat("Markup(", text, ")") : text, string.text.origin());
      return;
    }
    case Kind::list:
    case Kind::tuple: append_sequence(runtime, out, value.as<Sequence>()); return;
    case Kind::dict: append_dict(runtime, out, value.as<Dict>()); return;
    case Kind::range: out.append(range_repr(value.as<Range>())); return;
    case Kind::view: append_view(runtime, out, value); return;
    case Kind::name_space:
      out.append("<Namespace ");
      append_dict(runtime, out, *value.as<Namespace>().attributes);
      out.append(">");
      return;
    case Kind::macro: out.append(macro_repr(value)); return;
    case Kind::loop:
      out.append(concat("<LoopContext ", to_string(value.as<Loop>().index0 + 1), "/",
                        to_string(value.as<Loop>().length(runtime)), ">"));
      return;
    case Kind::native:
      out.append(concat("<built-in method ", value.as<BoundNative>().native.name, ">"));
      return;
    case Kind::iterator:
    case Kind::cycler:
    case Kind::joiner: out.append(concat("<", type_name(value), " object>")); return;
  }
}

void append_str(Runtime& runtime, Text& out, const Value& value) {
  if (value.is_string()) {
    runtime.work(value.as<Str>().text.size());
    out.append(value.as<Str>().text);
  } else if (!value.is_undefined()) {
    append_repr(runtime, out, value);
  }
}

Text to_text(Runtime& runtime, const Value& value) {
  Text out;
  append_str(runtime, out, value);
  return out;
}

Text escape_html(const Text& text) {
  Text out;
  size_t copied = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string_view entity;
    switch (text.bytes[i]) {
      case '&': entity = "&amp;"; break;
      case '<': entity = "&lt;"; break;
      case '>': entity = "&gt;"; break;
      case '\'': entity = "&#39;"; break;
      case '"': entity = "&#34;"; break;
      default: continue;
    }
    out.append(text, copied, i);
    out.append(entity, text.origin(i, i + 1));
    copied = i + 1;
  }
  out.append(text, copied, text.size());
  return out;
}

}  // namespace hearth::jinja
