// "%-8s|%05.1f" % (name, price)
#include <cmath>

#include "chat/jinja/format.h"
#include "chat/jinja/format_spec.h"
#include "chat/jinja/unicode.h"

namespace hearth::jinja {

namespace {

// Hands out the right operand of %: a tuple in order, one value once, or a mapping by name.
class Operands {
 public:
  explicit Operands(const Value& operand) : operand_(operand) {
    if (operand.is(Kind::tuple))
      items_ = operand.as<Sequence>().items;
    else
      items_ = {operand};
  }

  Value next() {
    if (named_) fail("format requires a mapping or values, not both");
    if (position_ >= items_.size()) fail("not enough arguments for format string");
    return items_[position_++];
  }

  Value by_name(const std::string& name) {
    if (!operand_.is(Kind::dict)) fail("format requires a mapping");
    const Value* found = operand_.as<Dict>().find(name);
    if (!found) fail("'", name, "'");
    named_ = true;
    return *found;
  }

  void check_all_used() const {
    bool subscriptable = operand_.is(Kind::dict) || operand_.is(Kind::list) ||
                         operand_.is(Kind::range) || operand_.is_undefined();
    if (!named_ && !subscriptable && position_ < items_.size())
      fail("not all arguments converted during string formatting");
  }

 private:
  const Value& operand_;
  std::vector<Value> items_;
  size_t position_ = 0;
  bool named_ = false;
};

Text character_of(const Value& value) {
  if (value.is_string() && value.as<Str>().length() == 1) return value.as<Str>().text;
  if (!value.is_int()) fail("%c requires int or char");
  Int code = value.as_int();
  if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
    fail("%c arg not in range(0x110000)");
  Text text;
  unicode::append(text.bytes, static_cast<char32_t>(code));
  return text;
}

Int whole(const Value& value, char type) {
  if (value.is_int()) return value.as_int();
  if (!value.is(Kind::real) || type == 'x' || type == 'X' || type == 'o')
    fail("%", type, " format: a number is required, not ", type_name(value));
  if (!(std::fabs(value.as_real()) < 1e37)) fail("cannot convert float to integer");
  return static_cast<Int>(value.as_real());
}

Text convert(Runtime& runtime, const Value& value, FormatSpec spec, bool markup) {
  auto text = [&](Text content) {
    if (markup && !(value.is_string() && value.as<Str>().markup)) content = escape_html(content);
    size_t length = unicode::count(content.bytes);
    if (spec.precision && *spec.precision < length)
      content = content.slice(0, unicode::offset_of(content.bytes, *spec.precision));
    if (spec.fill == "0") spec.fill = " ";
    return pad(content, spec, '>');
  };
  switch (spec.type) {
    case 's': return text(to_text(runtime, value));
    case 'r':
    case 'a': {
      Text repr;
      append_repr(runtime, repr, value);
      return text(std::move(repr));
    }
    case 'c': return text(character_of(value));
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o': {
      Int number = whole(value, spec.type);
      if (spec.type == 'i' || spec.type == 'u') spec.type = 'd';
      return Text(format_int(number, spec));
    }
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      if (!value.is_number()) fail("must be real number, not ", type_name(value));
      return Text(format_float(value.as_real(), spec));
    default: fail("unsupported format character '", spec.type, "'");
  }
}

}  // namespace

Value percent_format(Runtime& runtime, const Str& format, const Value& arguments) {
  Operands operands(arguments);
  std::string_view view = format.text.bytes;
  Text out;
  size_t at = 0;
  while (true) {
    size_t percent = view.find('%', at);
    out.append(format.text, at, std::min(percent, view.size()));
    if (percent == std::string_view::npos) break;
    at = percent + 1;
    FormatSpec spec;
    std::optional<Value> named;
    if (at < view.size() && view[at] == '(') {
      size_t close = view.find(')', at);
      if (close == std::string_view::npos) fail("incomplete format key");
      named = operands.by_name(std::string(view.substr(at + 1, close - at - 1)));
      at = close + 1;
    }
    for (; at < view.size(); ++at) {
      if (view[at] == '-')
        spec.align = '<';
      else if (view[at] == '0')
        spec.fill = "0";
      else if (view[at] == '+' || (view[at] == ' ' && spec.sign != '+'))
        spec.sign = view[at];
      else if (view[at] == '#')
        spec.alternate = true;
      else if (view[at] != ' ')
        break;
    }
    auto size = [&]() -> std::optional<size_t> {
      if (at >= view.size() || view[at] != '*') return read_size(view, at);
      ++at;
      Int given = int_argument(operands.next(), "*");
      if (given < 0) spec.align = '<', given = -given;
      if (given > static_cast<Int>(kMaxWidth)) fail("width or precision in a format is too large");
      return static_cast<size_t>(given);
    };
    spec.width = size().value_or(0);
    if (at < view.size() && view[at] == '.') {
      ++at;
      spec.precision = size().value_or(0);
    }
    while (at < view.size() && (view[at] == 'h' || view[at] == 'l' || view[at] == 'L')) ++at;
    if (at >= view.size()) fail("incomplete format");
    spec.type = view[at++];
    if (spec.align == '<') spec.fill = " ";
    if (spec.type == '%') {
      out.append("%");
      continue;
    }
    runtime.work(spec.width);
    runtime.check_room(out.size() + spec.width);
    out.append(convert(runtime, named ? *named : operands.next(), spec, format.markup));
  }
  operands.check_all_used();
  return make_string(runtime, std::move(out), format.markup);
}

}  // namespace hearth::jinja
