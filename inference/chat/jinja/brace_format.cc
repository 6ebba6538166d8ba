// "{0.name!r:>8} {}".format(...), with the sandbox's rules for attributes and items.
#include "chat/jinja/format.h"
#include "chat/jinja/format_spec.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/unicode.h"

namespace hearth::jinja {

namespace {

class Formatter {
 public:
  Formatter(Runtime& runtime, const Arguments& arguments, bool markup)
      : runtime_(runtime), arguments_(arguments), markup_(markup) {}

  Text format(const Text& text, int depth) {
    if (depth < 0) fail("Max string recursion exceeded");
    std::string_view view = text.bytes;
    Text out;
    for (size_t at = 0; at < view.size();) {
      size_t brace = std::min(view.find_first_of("{}", at), view.size());
      out.append(text, at, brace);
      if (brace == view.size()) break;
      bool doubled = brace + 1 < view.size() && view[brace + 1] == view[brace];
      if (doubled) {
        out.append(text, brace, brace + 1);
        at = brace + 2;
        continue;
      }
      if (view[brace] == '}') fail("Single '}' encountered in format string");
      size_t end = closing_brace(view, brace);
      out.append(field(text.slice(brace + 1, end), depth));
      runtime_.check_room(out.size());
      at = end + 1;
    }
    return out;
  }

 private:
  static size_t closing_brace(std::string_view view, size_t open) {
    size_t depth = 0;
    for (size_t at = open; at < view.size(); ++at) {
      if (view[at] == '{') ++depth;
      if (view[at] == '}' && --depth == 0) return at;
    }
    fail(open + 1 == view.size() ? "Single '{' encountered in format string"
                                 : "expected '}' before end of string");
  }

  // name!conversion:spec
  Text field(const Text& text, int depth) {
    std::string_view view = text.bytes;
    size_t name_end = 0;
    for (size_t brackets = 0; name_end < view.size(); ++name_end) {
      char c = view[name_end];
      if (c == '[') ++brackets;
      if (c == ']' && brackets > 0) --brackets;
      if (brackets == 0 && (c == '!' || c == ':')) break;
    }
    Value value = lookup(view.substr(0, name_end));
    size_t at = name_end;
    char conversion = 0;
    if (at < view.size() && view[at] == '!') {
      if (at + 1 >= view.size()) fail("end of string while looking for conversion specifier");
      conversion = view[at + 1];
      at += 2;
      if (at < view.size() && view[at] != ':') fail("expected ':' after conversion specifier");
    }
    Text spec;
    if (at < view.size()) spec = format(text.slice(at + 1, view.size()), depth - 1);
    return convert(value, conversion, spec);
  }

  Text convert(Value value, char conversion, const Text& spec) {
    if (conversion == 'r' || conversion == 'a') {
      Text repr;
      append_repr(runtime_, repr, value);
      value = make_string(runtime_, std::move(repr));
    } else if (conversion == 's') {
      value = make_string(runtime_, to_text(runtime_, value));
    } else if (conversion) {
      fail("Unknown conversion specifier ", conversion);
    }
    bool safe = value.is_string() && value.as<Str>().markup;
    Text text = format_value(runtime_, value, spec);
    return markup_ && !safe ? escape_html(text) : text;
  }

  Value lookup(std::string_view name) {
    size_t end = std::min(name.find_first_of(".["), name.size());
    Value value = first(name.substr(0, end));
    for (size_t at = end; at < name.size();) {
      if (name[at] == '.') {
        size_t stop = std::min(name.find_first_of(".[", at + 1), name.size());
        if (stop == at + 1) fail("Empty attribute in format string");
        value = get_attribute(runtime_, value,
                              make_string(runtime_, name.substr(at + 1, stop - at - 1)));
        at = stop;
      } else if (name[at] == '[') {
        size_t stop = name.find(']', at);
        if (stop == std::string_view::npos) fail("Missing ']' in format string");
        if (stop == at + 1) fail("Empty attribute in format string");
        value = get_item(runtime_, value, key(name.substr(at + 1, stop - at - 1)));
        at = stop + 1;
      } else {
        fail("Only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }

  Value key(std::string_view text) {
    size_t at = 0;
    auto number = read_size(text, at);
    if (number && at == text.size()) return Value::integer(static_cast<Int>(*number));
    return make_string(runtime_, text);
  }

  Value first(std::string_view name) {
    size_t at = 0;
    std::optional<size_t> index = read_size(name, at);
    if (index && at != name.size()) index.reset();
    if (name.empty() || index) {
      bool automatic = name.empty();
      if (numbering_ != Numbering::none && automatic != (numbering_ == Numbering::automatic))
        fail("cannot switch between automatic and manual field numbering");
      numbering_ = automatic ? Numbering::automatic : Numbering::manual;
      size_t position = automatic ? next_++ : *index;
      if (position >= arguments_.positional.size())
        fail("Replacement index ", std::to_string(position), " out of range");
      return arguments_[position];
    }
    for (const auto& [key, value] : arguments_.named)
      if (key == name) return value;
    fail("'", std::string(name), "'");
  }

  enum class Numbering { none, automatic, manual };

  Runtime& runtime_;
  const Arguments& arguments_;
  const bool markup_;
  Numbering numbering_ = Numbering::none;
  size_t next_ = 0;
};

}  // namespace

Value brace_format(Runtime& runtime, const Str& format, const Arguments& arguments) {
  Formatter formatter(runtime, arguments, format.markup);
  return make_string(runtime, formatter.format(format.text, 2), format.markup);
}

}  // namespace hearth::jinja
