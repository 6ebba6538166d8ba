// Filters that walk a sequence. Those that Jinja writes as generators are lazy here too: they
// evaluate nothing until walked, are true even when they would give nothing, and can be walked
// once.
#include <algorithm>
#include <memory>

#include "chat/jinja/format.h"
#include "chat/jinja/method_tables.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/sort.h"
#include "chat/jinja/string_ops.h"

namespace hearth::jinja {

namespace {

bool flag(Runtime& runtime, const Arguments& arguments, size_t i) {
  return arguments.has(i) && truth(runtime, arguments[i]);
}

Value ignore_case(Runtime& runtime, const Value& value) {
  if (!value.is_string()) return value;
  const Text& text = value.as<Str>().text;
  runtime.work(text.size());
  return make_string(runtime, change_case(text, unicode::Case::lower));
}

// "a.b.0": item or attribute of each part in turn; parts of digits are indices.
class AttributePath {
 public:
  AttributePath(Runtime& runtime, const Value& attribute, Value fallback = {})
      : fallback_(std::move(fallback)) {
    if (attribute.is_missing() || attribute.is_none()) return;
    if (!attribute.is_string()) {
      parts_ = {attribute};
      return;
    }
    const std::string dot = ".";
    for (Text& part : split(attribute.as<Str>().text, &dot))
      parts_.push_back(part_of(runtime, std::move(part)));
  }

  Value of(Runtime& runtime, Value item) const {
    for (const Value& part : parts_) {
      item = get_item(runtime, item, part);
      if (item.is_undefined() && !fallback_.is_missing() && !fallback_.is_none()) item = fallback_;
    }
    return item;
  }

 private:
  static Value part_of(Runtime& runtime, Text part) {
    if (!all_are(part.bytes, unicode::decimal) || part.size() > 18)
      return make_string(runtime, std::move(part));
    return Value::integer(std::stoll(part.bytes));
  }

  std::vector<Value> parts_;
  Value fallback_;
};

// Sorting and grouping compare text without regard to case unless told otherwise.
struct Key {
  AttributePath path;
  bool case_sensitive;
  Value operator()(Runtime& runtime, const Value& item) const {
    Value key = path.of(runtime, item);
    return case_sensitive ? key : ignore_case(runtime, key);
  }
};

// Stable; the keys are computed once.
std::vector<Value> sorted(Runtime& runtime, std::vector<Value> items, bool reverse,
                          const std::function<Value(const Value&)>& key_of) {
  std::vector<std::pair<Value, Value>> keyed;
  keyed.reserve(items.size());
  for (Value& item : items) {
    Value key = key_of(item);
    keyed.emplace_back(std::move(key), std::move(item));
  }
  auto below = [&](const auto& a, const auto& b) {
    runtime.step();
    return compare(runtime, a.first, b.first, "<").value_or(0) < 0;
  };
  merge_sort(keyed,
             [&](const auto& a, const auto& b) { return reverse ? below(b, a) : below(a, b); });
  std::vector<Value> out;
  out.reserve(keyed.size());
  for (auto& [key, item] : keyed) out.push_back(std::move(item));
  return out;
}

Value len(Runtime& runtime, Arguments& arguments) {
  auto n = length(runtime, arguments[0]);
  if (!n) fail("object of type '", type_name(arguments[0]), "' has no len()");
  return Value::integer(*n);
}

Value list(Runtime& runtime, Arguments& arguments) {
  return make_list(runtime, to_items(runtime, arguments[0]));
}

Value first(Runtime& runtime, Arguments& arguments) {
  Value item = iterate(runtime, arguments[0])->next(runtime);
  return item.is_missing() ? make_undefined(runtime, "No first item, sequence was empty.") : item;
}

// Python's reversed(): missing where it would not take the value.
std::optional<std::vector<Value>> reversed(Runtime& runtime, const Value& value) {
  bool reversible = is_iterable(value) && !value.is(Kind::iterator) && !value.is(Kind::loop);
  if (!reversible) return std::nullopt;
  std::vector<Value> items = to_items(runtime, value);
  std::reverse(items.begin(), items.end());
  return items;
}

Value last(Runtime& runtime, Arguments& arguments) {
  if (arguments[0].is_sequence()) {
    const auto& items = arguments[0].as<Sequence>().items;
    if (!items.empty()) return items.back();
  }
  auto items = reversed(runtime, arguments[0]);
  if (!items) fail("'", type_name(arguments[0]), "' object is not reversible");
  return items->empty() ? make_undefined(runtime, "No last item, sequence was empty.")
                        : items->front();
}

Value reverse(Runtime& runtime, Arguments& arguments) {
  const Value& value = arguments[0];
  if (value.is_string())
    return get_slice(runtime, value, Value::none(), Value::none(), Value::integer(-1));
  if (auto items = reversed(runtime, value)) {
    return make_generator(
        runtime,
        [items = std::move(*items), i = size_t{0}](Runtime&) mutable {
          return i < items.size() ? items[i++] : Value();
        },
        "list_reverseiterator");
  }
  if (!is_iterable(value)) fail("argument must be iterable");
  std::vector<Value> items = to_items(runtime, value);
  std::reverse(items.begin(), items.end());
  return make_list(runtime, std::move(items));
}

// Any element is a right answer; always the same one keeps prompts reproducible.
Value random(Runtime& runtime, Arguments& arguments) {
  return get_item(runtime, arguments[0], Value::integer(0));
}

Value join(Runtime& runtime, Arguments& arguments) {
  Text separator = arguments.has(1) ? to_text(runtime, arguments[1]) : Text();
  AttributePath path(runtime, arguments[2]);
  Ref<Iterator> iterator = iterate(runtime, arguments[0]);
  Text out;
  bool first = true;
  for (Value item = iterator->next(runtime); !item.is_missing(); item = iterator->next(runtime)) {
    if (!first) out.append(separator);
    first = false;
    append_str(runtime, out, path.of(runtime, item));
    runtime.check_room(out.size() + separator.size());
  }
  return make_string(runtime, std::move(out));
}

Value items(Runtime& runtime, Arguments& arguments) {
  return make_generator(runtime, [value = arguments[0], i = size_t{0}](Runtime& rt) mutable {
    if (value.is_undefined()) return Value();
    if (!value.is(Kind::dict)) fail("Can only get item pairs from a mapping.");
    const auto& pairs = value.as<Dict>().items();
    if (i == pairs.size()) return Value();
    const auto& [key, item] = pairs[i++];
    return make_tuple(rt, {key, item});
  });
}

Value dict_sort(Runtime& runtime, Arguments& arguments) {
  bool case_sensitive = flag(runtime, arguments, 1);
  std::string by = arguments.has(2) ? to_text(runtime, arguments[2]).bytes : "key";
  if (by != "key" && by != "value") fail("You can only sort by either \"key\" or \"value\"");
  if (!arguments[0].is(Kind::dict))
    fail("dictsort expected a mapping, got '", type_name(arguments[0]), "'");
  std::vector<Value> pairs;
  for (const auto& [key, value] : arguments[0].as<Dict>().items())
    pairs.push_back(make_tuple(runtime, {key, value}));
  size_t position = by == "key" ? 0 : 1;
  return make_list(runtime, sorted(runtime, std::move(pairs), flag(runtime, arguments, 3),
                                   [&](const Value& pair) {
                                     const Value& key = pair.as<Sequence>().items[position];
                                     return case_sensitive ? key : ignore_case(runtime, key);
                                   }));
}

Value sort(Runtime& runtime, Arguments& arguments) {
  bool case_sensitive = flag(runtime, arguments, 2);
  std::vector<Key> keys;  // "name,age.years": several attributes, the first one first
  if (arguments.has(3) && arguments[3].is_string()) {
    const std::string comma = ",";
    for (Text& part : split(arguments[3].as<Str>().text, &comma)) {
      Value name = make_string(runtime, std::move(part));
      keys.push_back({AttributePath(runtime, name), case_sensitive});
    }
  } else {
    keys.push_back({AttributePath(runtime, arguments[3]), case_sensitive});
  }
  return make_list(runtime, sorted(runtime, to_items(runtime, arguments[0]),
                                   flag(runtime, arguments, 1), [&](const Value& item) {
                                     std::vector<Value> parts;
                                     for (const Key& key : keys)
                                       parts.push_back(key(runtime, item));
                                     return make_list(runtime, std::move(parts));
                                   }));
}

Value unique(Runtime& runtime, Arguments& arguments) {
  struct State {
    Value source;
    Key key;
    Ref<Iterator> iterator;
    Ref<Dict> seen;
  };
  auto state = std::make_shared<State>(State{
      arguments[0], {AttributePath(runtime, arguments[2]), flag(runtime, arguments, 1)}, {}, {}});
  return make_generator(runtime, [state](Runtime& rt) {
    if (!state->iterator) {
      state->iterator = iterate(rt, state->source);
      state->seen = make_dict(rt);
    }
    while (true) {
      Value item = state->iterator->next(rt);
      if (item.is_missing()) return item;
      Value key = state->key(rt, item);
      if (state->seen->find(rt, key)) continue;
      state->seen->set(rt, key, Value::none());
      return item;
    }
  });
}

template <bool kLargest>
Value extreme(Runtime& runtime, Arguments& arguments) {
  Key key{AttributePath(runtime, arguments[2]), flag(runtime, arguments, 1)};
  Value best, best_key;
  Ref<Iterator> iterator = iterate(runtime, arguments[0]);
  for (Value item = iterator->next(runtime); !item.is_missing(); item = iterator->next(runtime)) {
    Value candidate = key(runtime, item);
    if (!best.is_missing()) {
      int order = compare(runtime, candidate, best_key, kLargest ? ">" : "<").value_or(0);
      if (kLargest ? order <= 0 : order >= 0) continue;
    }
    best = std::move(item);
    best_key = std::move(candidate);
  }
  return best.is_missing() ? make_undefined(runtime, "No aggregated item, sequence was empty.")
                           : best;
}

Value sum(Runtime& runtime, Arguments& arguments) {
  AttributePath path(runtime, arguments[1]);
  Value total = arguments.has(2) ? arguments[2] : Value::integer(0);
  if (total.is_string()) fail("sum() can't sum strings [use ''.join(seq) instead]");
  Ref<Iterator> iterator = iterate(runtime, arguments[0]);
  for (Value item = iterator->next(runtime); !item.is_missing(); item = iterator->next(runtime))
    total = apply(runtime, BinaryOperator::add, total, path.of(runtime, item));
  return total;
}

Value group_by(Runtime& runtime, Arguments& arguments) {
  Value fallback = arguments[2];
  bool case_sensitive = flag(runtime, arguments, 3);
  AttributePath path(runtime, arguments[1], fallback);
  Key key{path, case_sensitive};
  auto key_of = [&](const Value& item) { return key(runtime, item); };
  std::vector<Value> all = sorted(runtime, to_items(runtime, arguments[0]), false, key_of);
  std::vector<Value> groups;
  for (size_t begin = 0; begin < all.size();) {
    Value current = key_of(all[begin]);
    size_t end = begin + 1;
    while (end < all.size() && equals(runtime, current, key_of(all[end]))) ++end;
    Value grouper = path.of(runtime, all[begin]);
    Value members = make_list(runtime, {all.begin() + begin, all.begin() + end});
    Value group = make_tuple(runtime, {grouper, members});
    group.as<Sequence>().is_group = true;
    groups.push_back(std::move(group));
    begin = end;
  }
  return make_list(runtime, std::move(groups));
}

Value batch(Runtime& runtime, Arguments& arguments) {
  Int size = int_argument(arguments[1], "batch");
  Value fill = arguments.has(2) ? arguments[2] : Value::none();
  struct State {
    Value source;
    Ref<Iterator> iterator;
    Value pending;  // the item that starts the next batch
  };
  auto state = std::make_shared<State>(State{arguments[0], {}, {}});
  return make_generator(runtime, [state, size, fill](Runtime& rt) {
    if (!state->iterator) {
      state->iterator = iterate(rt, state->source);
      state->pending = state->iterator->next(rt);
    }
    std::vector<Value> items;
    while (!state->pending.is_missing()) {
      if (static_cast<Int>(items.size()) == size && !items.empty()) break;
      items.push_back(std::move(state->pending));
      state->pending = state->iterator->next(rt);
    }
    if (items.empty()) return Value();
    if (!fill.is_none() && state->pending.is_missing()) {
      Int wanted = std::max(size, static_cast<Int>(items.size()));
      rt.check_room(static_cast<size_t>(std::min(wanted, static_cast<Int>(SIZE_MAX))),
                    sizeof(Value));
      items.resize(static_cast<size_t>(wanted), fill);
    }
    return make_list(rt, std::move(items));
  });
}

Value slice(Runtime& runtime, Arguments& arguments) {
  Int slices = int_argument(arguments[1], "slice");
  Value fill = arguments.has(2) ? arguments[2] : Value::none();
  auto all = std::make_shared<std::optional<std::vector<Value>>>();
  return make_generator(
      runtime, [source = arguments[0], slices, fill, all, i = Int{0}](Runtime& rt) mutable {
        if (!*all) *all = to_items(rt, source);
        if (slices == 0) fail("integer division or modulo by zero");
        if (i >= slices) return Value();
        Int length = static_cast<Int>((*all)->size());
        Int each = length / slices, longer = length % slices;
        Int begin = i * each + std::min(i, longer);
        Int end = begin + each + (i < longer);
        auto first = (*all)->begin();
        std::vector<Value> items(first + static_cast<ptrdiff_t>(begin),
                                 first + static_cast<ptrdiff_t>(end));
        if (!fill.is_none() && i >= longer) items.push_back(fill);
        ++i;
        return make_list(rt, std::move(items));
      });
}

// What map and select get beside their source: a filter or a test by name, with its own arguments.
struct Chosen {
  const Native* native = nullptr;
  Arguments rest;

  Value operator()(Runtime& runtime, const Value& item) const {
    Arguments arguments = rest;
    arguments.positional.insert(arguments.positional.begin(), item);
    return invoke(runtime, *native, arguments);
  }
};

Chosen choose(const Arguments& arguments, size_t at, const char* what,
              const Native* (*find)(std::string_view)) {
  const Value& name = arguments[at];
  const Native* native = name.is_string() ? find(name.as<Str>().text.bytes) : nullptr;
  if (!native)
    fail("No ", what, " named '", (name.is_string() ? name.as<Str>().text.bytes : type_name(name)),
         "'.");
  Arguments rest;
  rest.positional.assign(arguments.positional.begin() + static_cast<ptrdiff_t>(at) + 1,
                         arguments.positional.end());
  rest.named = arguments.named;
  return {native, std::move(rest)};
}

std::function<Value(Runtime&, const Value&)> mapping(Runtime& runtime, const Arguments& arguments) {
  if (arguments.positional.size() > 1) return choose(arguments, 1, "filter", find_filter);
  Value attribute, fallback;
  for (const auto& [name, value] : arguments.named) {
    if (name == "attribute")
      attribute = value;
    else if (name == "default")
      fallback = value;
    else if (!attribute.is_missing())
      fail("Unexpected keyword argument '", name, "'");
  }
  if (attribute.is_missing()) fail("map requires a filter argument");
  return [path = AttributePath(runtime, attribute, fallback)](Runtime& rt, const Value& item) {
    return path.of(rt, item);
  };
}

Value map(Runtime& runtime, Arguments& arguments) {
  struct State {
    Arguments arguments;
    Ref<Iterator> iterator;
    std::function<Value(Runtime&, const Value&)> function;
  };
  auto state = std::make_shared<State>(State{std::move(arguments), {}, nullptr});
  return make_generator(runtime, [state](Runtime& rt) {
    if (!state->iterator) {
      if (!truth(rt, state->arguments[0])) return Value();
      state->function = mapping(rt, state->arguments);
      state->iterator = iterate(rt, state->arguments[0]);
    }
    Value item = state->iterator->next(rt);
    return item.is_missing() ? item : state->function(rt, item);
  });
}

std::function<bool(Runtime&, const Value&)> condition(Runtime& runtime, const Arguments& arguments,
                                                      bool by_attribute) {
  size_t at = by_attribute ? 2 : 1;
  if (arguments.positional.size() < at) fail("Missing parameter for attribute name");
  AttributePath path(runtime, by_attribute ? arguments[1] : Value());
  if (arguments.positional.size() == at)
    return [path](Runtime& rt, const Value& item) { return truth(rt, path.of(rt, item)); };
  Chosen test = choose(arguments, at, "test", find_test);
  return [path, test](Runtime& rt, const Value& item) {
    return truth(rt, test(rt, path.of(rt, item)));
  };
}

template <bool kWanted, bool kByAttribute>
Value select(Runtime& runtime, Arguments& arguments) {
  struct State {
    Arguments arguments;
    Ref<Iterator> iterator;
    std::function<bool(Runtime&, const Value&)> condition;
  };
  auto state = std::make_shared<State>(State{std::move(arguments), {}, nullptr});
  return make_generator(runtime, [state](Runtime& rt) {
    if (!state->iterator) {
      if (!truth(rt, state->arguments[0])) return Value();
      state->condition = condition(rt, state->arguments, kByAttribute);
      state->iterator = iterate(rt, state->arguments[0]);
    }
    while (true) {
      Value item = state->iterator->next(rt);
      if (item.is_missing() || state->condition(rt, item) == kWanted) return item;
    }
  });
}

constexpr Native kFilters[] = {
    {"batch", batch, 2, {"value", "linecount", "fill_with"}},
    {"count", len, 1, {"obj"}, false},
    {"dictsort", dict_sort, 1, {"value", "case_sensitive", "by", "reverse"}},
    {"first", first, 1, {"seq"}},
    {"groupby", group_by, 2, {"value", "attribute", "default", "case_sensitive"}},
    {"items", items, 1, {"value"}},
    {"join", join, 1, {"value", "d", "attribute"}},
    {"last", last, 1, {"seq"}},
    {"length", len, 1, {"obj"}, false},
    {"list", list, 1, {"value"}},
    {"map", map, Native::kVariadic},
    {"max", extreme<true>, 1, {"value", "case_sensitive", "attribute"}},
    {"min", extreme<false>, 1, {"value", "case_sensitive", "attribute"}},
    {"random", random, 1, {"seq"}},
    {"reject", select<false, false>, Native::kVariadic},
    {"rejectattr", select<false, true>, Native::kVariadic},
    {"reverse", reverse, 1, {"value"}},
    {"select", select<true, false>, Native::kVariadic},
    {"selectattr", select<true, true>, Native::kVariadic},
    {"slice", slice, 2, {"value", "slices", "fill_with"}},
    {"sort", sort, 1, {"value", "reverse", "case_sensitive", "attribute"}},
    {"sum", sum, 1, {"iterable", "attribute", "start"}},
    {"unique", unique, 1, {"value", "case_sensitive", "attribute"}},
};

}  // namespace

std::span<const Native> sequence_filters() { return kFilters; }

}  // namespace hearth::jinja
