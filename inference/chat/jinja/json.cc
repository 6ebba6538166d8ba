// tojson: json.dumps as transformers calls it. Key order is kept, nothing is escaped for HTML.
#include <cmath>

#include "chat/jinja/format.h"
#include "chat/jinja/sort.h"
#include "chat/jinja/unicode.h"

namespace hearth::jinja {

namespace {

void append_unit(std::string& out, uint32_t unit) {
  constexpr char kHex[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[unit >> shift & 0xF];
}

void append_code(std::string& out, char32_t code, bool ensure_ascii) {
  switch (code) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    case '\f': out += "\\f"; return;
    case '\b': out += "\\b"; return;
    default: break;
  }
  if (code < 0x20 || (ensure_ascii && code >= 0x7F && code < 0x10000)) {
    append_unit(out, code);
  } else if (ensure_ascii && code >= 0x10000) {
    append_unit(out, 0xD800 + ((code - 0x10000) >> 10));
    append_unit(out, 0xDC00 + ((code - 0x10000) & 0x3FF));
  } else {
    unicode::append(out, code);
  }
}

class Writer {
 public:
  Writer(Runtime& runtime, const JsonStyle& style) : runtime_(runtime), style_(style) {}

  void write(const Value& value) {
    Nesting nesting(runtime_);
    runtime_.step();
    runtime_.check_room(out_.size());
    switch (value.kind()) {
      case Kind::none: out_.append("null"); return;
      case Kind::boolean: out_.append(value.as_bool() ? "true" : "false"); return;
      case Kind::integer: out_.append(to_string(value.as_int())); return;
      case Kind::real: out_.append(number(value.as_real())); return;
      case Kind::string: write_string(value.as<Str>().text); return;
      case Kind::list:
      case Kind::tuple: write_array(value.as<Sequence>()); return;
      case Kind::dict: write_object(value.as<Dict>()); return;
      default: fail("Object of type ", type_name(value), " is not JSON serializable");
    }
  }

  Text take() { return std::move(out_); }

 private:
  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return float_repr(value);
  }

  void write_string(const Text& text) {
    runtime_.work(text.size());
    std::string quoted = "\"";
    for (size_t at = 0; at < text.size();)
      append_code(quoted, unicode::decode(text.bytes, at), style_.ensure_ascii);
    out_.append(quoted + "\"", text.origin());
  }

  void write_array(const Sequence& array) {
    if (array.items.empty()) return out_.append("[]");
    open("[");
    for (size_t i = 0; i < array.items.size(); ++i) {
      if (i > 0) separate();
      write(array.items[i]);
    }
    close("]");
  }

  void write_object(const Dict& object) {
    if (object.size() == 0) return out_.append("{}");
    std::vector<Dict::Item> items = object.items();
    if (style_.sort_keys)
      merge_sort(items, [&](const auto& a, const auto& b) {
        return compare(runtime_, a.first, b.first, "<").value_or(1) < 0;
      });
    open("{");
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) separate();
      write_key(items[i].first);
      out_.append(style_.key_separator);
      write(items[i].second);
    }
    close("}");
  }

  void write_key(const Value& key) {
    switch (key.kind()) {
      case Kind::string: return write_string(key.as<Str>().text);
      case Kind::none: return out_.append("\"null\"");
      case Kind::boolean: return out_.append(key.as_bool() ? "\"true\"" : "\"false\"");
      case Kind::integer: return out_.append(concat("\"", to_string(key.as_int()), "\""));
      case Kind::real: return out_.append(concat("\"", number(key.as_real()), "\""));
      default: fail("keys must be str, int, float, bool or None, not ", type_name(key));
    }
  }

  void open(std::string_view bracket) {
    out_.append(bracket);
    ++level_;
    break_line();
  }
  void separate() {
    out_.append(style_.item_separator);
    break_line();
  }
  void close(std::string_view bracket) {
    --level_;
    break_line();
    out_.append(bracket);
  }
  void break_line() {
    if (!style_.indent) return;
    out_.append("\n");
    for (size_t i = 0; i < level_; ++i) out_.append(*style_.indent);
  }

  Runtime& runtime_;
  const JsonStyle& style_;
  Text out_;
  size_t level_ = 0;
};

}  // namespace

Text to_json(Runtime& runtime, const Value& value, const JsonStyle& style) {
  Writer writer(runtime, style);
  writer.write(value);
  return writer.take();
}

}  // namespace hearth::jinja
