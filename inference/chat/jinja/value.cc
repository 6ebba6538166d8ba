#include "chat/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "chat/jinja/unicode.h"

namespace hearth::jinja {

size_t Str::length() const {
  if (length_ == SIZE_MAX) length_ = unicode::count(text.bytes);
  return length_;
}

size_t Str::offset(size_t index) const {
  return is_ascii() ? index : unicode::offset_of(text.bytes, index);
}

Int Range::length() const {
  if (step > 0) return start < stop ? (stop - start - 1) / step + 1 : 0;
  return start > stop ? (start - stop - 1) / -step + 1 : 0;
}

Value View::at(Runtime& runtime, size_t index) const {
  const auto& [key, value] = dict->items()[index];
  switch (of) {
    case Of::keys: return key;
    case Of::values: return value;
    case Of::items: return make_tuple(runtime, {key, value});
  }
  return {};
}

const Value* Dict::find(Runtime& runtime, const Value& key) const {
  auto at = position(runtime, key, hash(runtime, key));
  return at ? &items_[*at].second : nullptr;
}

const Value* Dict::find(std::string_view key) const {
  auto [first, last] = index_.equal_range(std::hash<std::string_view>{}(key));
  for (; first != last; ++first) {
    const auto& [candidate, value] = items_[first->second];
    if (candidate.is_string() && candidate.as<Str>().text.bytes == key) return &value;
  }
  return nullptr;
}

void Dict::set(Runtime& runtime, Value key, Value value) {
  size_t hashed = hash(runtime, key);
  if (auto at = position(runtime, key, hashed)) {
    items_[*at].second = std::move(value);
    return;
  }
  runtime.grow(*this, 2 * sizeof(Item));
  index_.emplace(hashed, items_.size());
  items_.emplace_back(std::move(key), std::move(value));
}

std::optional<size_t> Dict::position(Runtime& runtime, const Value& key, size_t hash) const {
  auto [first, last] = index_.equal_range(hash);
  for (; first != last; ++first) {
    runtime.step();
    if (equals(runtime, items_[first->second].first, key)) return first->second;
  }
  return std::nullopt;
}

Value make_string(Runtime& runtime, Text text, bool markup) {
  size_t bytes = text.bytes.capacity() + text.from_variables.capacity() * sizeof(Rendered::Range);
  return runtime.make<Str>(bytes, std::move(text), markup);
}

Value make_string(Runtime& runtime, std::string_view literal) {
  return make_string(runtime, Text(std::string(literal)));
}

static Ref<Sequence> make_sequence(Runtime& runtime, std::vector<Value> items, bool tuple) {
  size_t bytes = items.capacity() * sizeof(Value);
  return runtime.make<Sequence>(bytes, std::move(items), tuple);
}

Value make_list(Runtime& runtime, std::vector<Value> items) {
  return make_sequence(runtime, std::move(items), false);
}

Value make_tuple(Runtime& runtime, std::vector<Value> items) {
  return make_sequence(runtime, std::move(items), true);
}

Value make_undefined(Runtime& runtime, std::string message) {
  return runtime.make<Undefined>(message.size(), std::move(message));
}

Ref<Dict> make_dict(Runtime& runtime) { return runtime.make<Dict>(0); }

std::string type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::missing: return "missing";
    case Kind::undefined: return "Undefined";
    case Kind::none: return "NoneType";
    case Kind::boolean: return "bool";
    case Kind::integer: return "int";
    case Kind::real: return "float";
    case Kind::string: return value.as<Str>().markup ? "Markup" : "str";
    case Kind::list: return "list";
    case Kind::tuple: return "tuple";
    case Kind::dict: return "dict";
    case Kind::range: return "range";
    case Kind::view:
      switch (value.as<View>().of) {
        case View::Of::keys: return "dict_keys";
        case View::Of::values: return "dict_values";
        case View::Of::items: return "dict_items";
      }
      return "dict_items";
    case Kind::iterator: return value.as<Iterator>().type_name();
    case Kind::name_space: return "Namespace";
    case Kind::native: return "builtin_function_or_method";
    case Kind::macro: return "Macro";
    case Kind::loop: return "LoopContext";
    case Kind::cycler: return "Cycler";
    case Kind::joiner: return "Joiner";
  }
  return "object";
}

bool truth(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::missing:
    case Kind::undefined:
    case Kind::none: return false;
    case Kind::boolean: return value.as_bool();
    case Kind::integer: return value.as_int() != 0;
    case Kind::real: return value.as_real() != 0;
    default: break;
  }
  auto size = length(runtime, value);
  return !size || *size != 0;
}

namespace {

bool numbers_equal(const Value& a, const Value& b) {
  if (a.is_int() && b.is_int()) return a.as_int() == b.as_int();
  return a.as_real() == b.as_real();
}

bool items_equal(Runtime& runtime, const std::vector<Value>& a, const std::vector<Value>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!identical(a[i], b[i]) && !equals(runtime, a[i], b[i])) return false;
  return true;
}

bool dicts_equal(Runtime& runtime, const Dict& a, const Dict& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a.items()) {
    runtime.step();
    const Value* other = b.find(runtime, key);
    if (!other || !(identical(value, *other) || equals(runtime, value, *other))) return false;
  }
  return true;
}

bool ranges_equal(const Range& a, const Range& b) {
  Int n = a.length();
  if (n != b.length()) return false;
  return n == 0 || (a.start == b.start && (n == 1 || a.step == b.step));
}

// Views of keys and of items compare as sets; views of values only with themselves.
bool views_equal(Runtime& runtime, const View& a, const View& b) {
  if (a.of == View::Of::values || a.of != b.of) return false;
  if (a.of == View::Of::items) return dicts_equal(runtime, *a.dict, *b.dict);
  if (a.dict->size() != b.dict->size()) return false;
  return std::all_of(a.dict->items().begin(), a.dict->items().end(),
                     [&](const Dict::Item& item) { return b.dict->find(runtime, item.first); });
}

}  // namespace

bool identical(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::missing:
    case Kind::none: return true;
    case Kind::boolean: return a.as_bool() == b.as_bool();
    case Kind::integer: return a.as_int() == b.as_int();
    case Kind::real: return false;  // Python's floats are objects; NaN must not equal itself
    default: return a.object() == b.object();
  }
}

bool equals(Runtime& runtime, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return numbers_equal(a, b);
  if (a.kind() != b.kind()) return false;
  Nesting nesting(runtime);
  switch (a.kind()) {
    case Kind::undefined: return true;
    case Kind::string: {
      const std::string& left = a.as<Str>().text.bytes;
      const std::string& right = b.as<Str>().text.bytes;
      if (left.size() != right.size()) return false;
      runtime.work(left.size());
      return left == right;
    }
    case Kind::list:
    case Kind::tuple:
      runtime.work(a.as<Sequence>().items.size());
      return items_equal(runtime, a.as<Sequence>().items, b.as<Sequence>().items);
    case Kind::dict: return dicts_equal(runtime, a.as<Dict>(), b.as<Dict>());
    case Kind::range: return ranges_equal(a.as<Range>(), b.as<Range>());
    case Kind::view: return views_equal(runtime, a.as<View>(), b.as<View>());
    default: return identical(a, b);
  }
}

size_t hash(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::undefined: return 1;
    case Kind::none: return 2;
    case Kind::boolean:
    case Kind::integer:
    case Kind::real: return std::hash<double>{}(value.as_real());
    case Kind::string: {
      const std::string& bytes = value.as<Str>().text.bytes;
      runtime.work(bytes.size());
      return std::hash<std::string_view>{}(bytes);
    }
    case Kind::tuple: {
      Nesting nesting(runtime);
      runtime.work(value.as<Sequence>().items.size());
      size_t combined = 3;
      for (const Value& item : value.as<Sequence>().items)
        combined = combined * 1000003 ^ hash(runtime, item);
      return combined;
    }
    case Kind::list:
    case Kind::dict: fail("unhashable type: '", type_name(value), "'");
    case Kind::view:
      if (value.as<View>().of != View::Of::values)
        fail("unhashable type: '", type_name(value), "'");
      break;
    default: break;
  }
  return std::hash<Object*>{}(value.object());
}

std::optional<int> compare(Runtime& runtime, const Value& a, const Value& b,
                           const char* operation) {
  auto order = [](const auto& left, const auto& right) {
    return left < right ? -1 : right < left ? 1 : 0;
  };
  if (a.is_undefined()) fail(a.as<Undefined>().message);
  if (b.is_undefined()) fail(b.as<Undefined>().message);
  if (a.is_int() && b.is_int()) return order(a.as_int(), b.as_int());
  if (a.is_number() && b.is_number()) {
    if (std::isnan(a.as_real()) || std::isnan(b.as_real())) return std::nullopt;
    return order(a.as_real(), b.as_real());
  }
  if (a.is_string() && b.is_string()) {  // UTF-8 sorts as its code points do
    const std::string& left = a.as<Str>().text.bytes;
    const std::string& right = b.as<Str>().text.bytes;
    runtime.work(std::min(left.size(), right.size()));
    return order(left, right);
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    Nesting nesting(runtime);
    const auto& left = a.as<Sequence>().items;
    const auto& right = b.as<Sequence>().items;
    for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
      runtime.step();
      if (!identical(left[i], right[i]) && !equals(runtime, left[i], right[i]))
        return compare(runtime, left[i], right[i], operation);
    }
    return order(left.size(), right.size());
  }
  fail("'", std::string(operation), "' not supported between instances of '", type_name(a),
       "' and '", type_name(b), "'");
}

std::string to_string(Int value) {
  if (value == 0) return "0";
  bool negative = value < 0;
  auto rest = static_cast<unsigned __int128>(value);
  if (negative) rest = 0 - rest;
  std::string digits;
  for (; rest > 0; rest /= 10)
    digits.push_back(static_cast<char>('0' + static_cast<int>(rest % 10)));
  if (negative) digits.push_back('-');
  std::reverse(digits.begin(), digits.end());
  return digits;
}

}  // namespace hearth::jinja
