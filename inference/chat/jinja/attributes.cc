// x.name, x[key] and slices, in the sandbox.
#include <algorithm>

#include "chat/jinja/format.h"
#include "chat/jinja/loop.h"
#include "chat/jinja/macro.h"
#include "chat/jinja/native.h"
#include "chat/jinja/operators.h"

namespace hearth::jinja {

namespace {

bool changes_its_object(const Value& value, std::string_view name) {
  constexpr std::string_view kOfDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  constexpr std::string_view kOfList[] = {"append", "clear", "pop",    "reverse",
                                          "insert", "sort",  "extend", "remove"};
  auto has = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  return (value.is(Kind::dict) && has(kOfDict)) || (value.is(Kind::list) && has(kOfList));
}

Value unsafe(Runtime& runtime, const Value& value, std::string_view name) {
  return make_undefined(runtime, concat("access to attribute '", std::string(name), "' of '",
                                        type_name(value), "' object is unsafe."));
}

Value range_attribute(const Range& range, std::string_view name) {
  if (name == "start") return Value::integer(range.start);
  if (name == "stop") return Value::integer(range.stop);
  if (name == "step") return Value::integer(range.step);
  return {};
}

Value group_attribute(const Sequence& group, std::string_view name) {
  if (!group.is_group) return {};
  if (name == "grouper") return group.items[0];
  if (name == "list") return group.items[1];
  return {};
}

Value counter_attribute(const Value& value, std::string_view name) {
  if (value.is(Kind::cycler)) {
    const Cycler& cycler = value.as<Cycler>();
    if (name == "current") return cycler.items[cycler.position];
    if (name == "pos") return Value::integer(static_cast<Int>(cycler.position));
  } else if (value.is(Kind::joiner)) {
    if (name == "sep") return value.as<Joiner>().separator;
    if (name == "used") return Value::boolean(value.as<Joiner>().used);
  }
  return {};
}

Value number_attribute(const Value& value, std::string_view name) {
  if (name == "real" || name == "numerator") return value;
  if (name == "imag") return value.is(Kind::real) ? Value::real(0) : Value::integer(0);
  if (name == "denominator" && value.is_int()) return Value::integer(1);
  return {};
}

// Python's getattr: what the object itself has, without its items. Missing when it has none.
Value own_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  if (value.is_undefined()) fail(value.as<Undefined>().message);
  if (name.starts_with("__") && name.ends_with("__")) return unsafe(runtime, value, name);
  if (changes_its_object(value, name)) return unsafe(runtime, value, name);
  Value found;
  switch (value.kind()) {
    case Kind::name_space: {
      const Value* attribute = value.as<Namespace>().attributes->find(name);
      return attribute ? *attribute : Value();
    }
    case Kind::loop: return loop_attribute(runtime, value, name);
    case Kind::macro: return macro_attribute(runtime, value, name);
    case Kind::range: found = range_attribute(value.as<Range>(), name); break;
    case Kind::tuple: found = group_attribute(value.as<Sequence>(), name); break;
    case Kind::cycler:
    case Kind::joiner: found = counter_attribute(value, name); break;
    case Kind::boolean:
    case Kind::integer:
    case Kind::real: found = number_attribute(value, name); break;
    default: break;
  }
  if (!found.is_missing()) return found;
  if (const Native* method = find_method(value, name))
    return runtime.make<BoundNative>(0, *method, value);
  return {};
}

bool is_hashable(const Value& key) {
  if (key.is(Kind::list) || key.is(Kind::dict)) return false;
  if (!key.is(Kind::tuple)) return true;
  const auto& items = key.as<Sequence>().items;
  return std::all_of(items.begin(), items.end(), is_hashable);
}

std::optional<size_t> position(const Value& index, Int length) {
  if (!index.is_int()) return std::nullopt;
  Int at = index.as_int();
  if (at < 0) at += length;
  if (at < 0 || at >= length) return std::nullopt;
  return static_cast<size_t>(at);
}

Value character(Runtime& runtime, const Str& string, const Value& index) {
  auto at = position(index, static_cast<Int>(string.length()));
  if (!at) return {};
  if (!string.is_ascii()) runtime.work(string.text.size());
  size_t begin = string.offset(*at);
  size_t end = begin + 1;
  while (end < string.text.size() && (string.text.bytes[end] & 0xC0) == 0x80) ++end;
  return make_string(runtime, string.text.slice(begin, end), string.markup);
}

// Python's obj[key]; missing where it would raise.
Value own_item(Runtime& runtime, const Value& value, const Value& key) {
  switch (value.kind()) {
    case Kind::undefined: fail(value.as<Undefined>().message);
    case Kind::dict: {
      if (!is_hashable(key)) return {};
      const Value* found = value.as<Dict>().find(runtime, key);
      return found ? *found : Value();
    }
    case Kind::string: return character(runtime, value.as<Str>(), key);
    case Kind::list:
    case Kind::tuple: {
      const auto& items = value.as<Sequence>().items;
      auto at = position(key, static_cast<Int>(items.size()));
      return at ? items[*at] : Value();
    }
    case Kind::range: {
      const Range& range = value.as<Range>();
      auto at = position(key, range.length());
      return at ? Value::integer(range.at(static_cast<Int>(*at))) : Value();
    }
    default: return {};
  }
}

std::string described(const Value& value) {
  return value.is_none() ? "None" : type_name(value) + " object";
}

Value no_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  return make_undefined(
      runtime, concat("'", described(value), "' has no attribute '", std::string(name), "'"));
}

struct Bounds {
  Int start, stop, step;
  Int count() const { return Range(start, stop, step).length(); }
};

// PySlice_AdjustIndices.
Bounds resolve(Int length, const Value& start, const Value& stop, const Value& step) {
  auto index = [](const Value& bound, Int fallback) {
    if (bound.is_none()) return fallback;
    if (!bound.is_int()) fail("slice indices must be integers or None or have an __index__ method");
    return bound.as_int();
  };
  Int by = index(step, 1);
  if (by == 0) fail("slice step cannot be zero");
  Int low = by < 0 ? -1 : 0;
  Int high = by < 0 ? length - 1 : length;
  auto clip = [&](const Value& bound, Int fallback) {
    Int at = index(bound, fallback);
    if (bound.is_none()) return fallback;
    if (at < 0) at = at < -length ? low : at + length;
    return std::clamp(at, low, high);
  };
  Int first = clip(start, by < 0 ? high : low);
  Int last = clip(stop, by < 0 ? low : high);
  // A step beyond the length takes one item; clamped so that positions cannot overflow.
  by = std::clamp(by, -length - 1, length + 1);
  return {first, last, by};
}

Value string_slice(Runtime& runtime, const Str& string, const Bounds& bounds) {
  runtime.work(string.text.size());
  if (bounds.step == 1) {
    if (bounds.start >= bounds.stop) return make_string(runtime, Text(), string.markup);
    size_t begin = string.offset(static_cast<size_t>(bounds.start));
    size_t end = string.offset(static_cast<size_t>(bounds.stop));
    return make_string(runtime, string.text.slice(begin, end), string.markup);
  }
  std::vector<size_t> offsets;  // of every code point, and the end
  for (size_t i = 0; i <= string.text.size(); ++i)
    if (i == string.text.size() || (string.text.bytes[i] & 0xC0) != 0x80) offsets.push_back(i);
  Text out;
  for (Int i = 0, at = bounds.start; i < bounds.count(); ++i, at += bounds.step)
    out.append(string.text, offsets[static_cast<size_t>(at)], offsets[static_cast<size_t>(at) + 1]);
  return make_string(runtime, std::move(out), string.markup);
}

}  // namespace

Value get_attribute(Runtime& runtime, const Value& value, const Value& name) {
  const std::string& text = name.as<Str>().text.bytes;
  Value found = own_attribute(runtime, value, text);
  if (found.is_missing()) found = own_item(runtime, value, name);
  return found.is_missing() ? no_attribute(runtime, value, text) : found;
}

Value get_item(Runtime& runtime, const Value& value, const Value& key) {
  Value found = own_item(runtime, value, key);
  if (!found.is_missing()) return found;
  if (key.is_string()) {
    found = own_attribute(runtime, value, key.as<Str>().text.bytes);
    return found.is_missing() ? no_attribute(runtime, value, key.as<Str>().text.bytes) : found;
  }
  Text repr;
  append_repr(runtime, repr, key);
  return make_undefined(runtime, concat(described(value), " has no element ", repr.bytes));
}

Value get_own_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  return own_attribute(runtime, value, name);
}

Value get_slice(Runtime& runtime, const Value& value, const Value& start, const Value& stop,
                const Value& step) {
  switch (value.kind()) {
    case Kind::undefined: fail(value.as<Undefined>().message);
    case Kind::string: {
      const Str& string = value.as<Str>();
      return string_slice(runtime, string,
                          resolve(static_cast<Int>(string.length()), start, stop, step));
    }
    case Kind::list:
    case Kind::tuple: {
      const Sequence& sequence = value.as<Sequence>();
      Bounds bounds = resolve(static_cast<Int>(sequence.items.size()), start, stop, step);
      std::vector<Value> items;
      for (Int i = 0, at = bounds.start; i < bounds.count(); ++i, at += bounds.step)
        items.push_back(sequence.items[static_cast<size_t>(at)]);
      return sequence.is_tuple ? make_tuple(runtime, std::move(items))
                               : make_list(runtime, std::move(items));
    }
    case Kind::range: {
      const Range& range = value.as<Range>();
      Bounds bounds = resolve(range.length(), start, stop, step);
      return runtime.make<Range>(0, range.at(bounds.start), range.at(bounds.stop),
                                 range.step * bounds.step);
    }
    default: fail("'", type_name(value), "' object is not subscriptable by a slice");
  }
}

}  // namespace hearth::jinja
