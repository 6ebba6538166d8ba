// len(), `in` and iteration: the protocols that all containers share.
#include <algorithm>

#include "chat/jinja/loop.h"
#include "chat/jinja/unicode.h"
#include "chat/jinja/value.h"

namespace hearth::jinja {

namespace {

struct Generator : Iterator {
  Generator(std::function<Value(Runtime&)> step, const char* type)
      : produce(std::move(step)), type_(type) {}
  Value next(Runtime& runtime) override {
    runtime.step();
    if (!produce) return {};
    if (running_) fail("generator already executing");
    Nesting nesting(runtime);  // generators over generators over ...
    running_ = true;
    Value value = produce(runtime);
    running_ = false;
    if (value.is_missing()) produce = nullptr;
    return value;
  }
  const char* type_name() const override { return type_; }
  void clear() override { produce = nullptr; }

  std::function<Value(Runtime&)> produce;

 private:
  const char* type_;
  bool running_ = false;
};

template <class At>
Value counted(Runtime& runtime, size_t size, const char* type, At at) {
  return make_generator(
      runtime,
      [i = size_t{0}, size, at = std::move(at)](Runtime& rt) mutable {
        return i < size ? at(rt, i++) : Value();
      },
      type);
}

Value characters(Runtime& runtime, const Value& value) {
  return make_generator(
      runtime,
      [value, at = size_t{0}](Runtime& rt) mutable -> Value {
        const Str& string = value.as<Str>();
        if (at >= string.text.size()) return {};
        size_t begin = at;
        unicode::decode(string.text.bytes, at);
        return make_string(rt, string.text.slice(begin, at));
      },
      "str_iterator");
}

Value walk(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return counted(runtime, 0, "generator", [](Runtime&, size_t) { return Value(); });
    case Kind::string: return characters(runtime, value);
    case Kind::list:
    case Kind::tuple:
      return counted(runtime, value.as<Sequence>().items.size(),
                     value.is(Kind::list) ? "list_iterator" : "tuple_iterator",
                     [value](Runtime&, size_t i) { return value.as<Sequence>().items[i]; });
    case Kind::dict:
      return counted(runtime, value.as<Dict>().size(), "dict_keyiterator",
                     [value](Runtime&, size_t i) { return value.as<Dict>().items()[i].first; });
    case Kind::view:
      return counted(runtime, value.as<View>().dict->size(), "dict_itemiterator",
                     [value](Runtime& rt, size_t i) { return value.as<View>().at(rt, i); });
    case Kind::range:
      return counted(runtime, static_cast<size_t>(value.as<Range>().length()), "range_iterator",
                     [value](Runtime&, size_t i) {
                       return Value::integer(value.as<Range>().at(static_cast<Int>(i)));
                     });
    case Kind::iterator: return value;
    case Kind::loop: {  // walking the loop itself pulls it on, item and loop as a pair
      return make_generator(runtime, [value](Runtime& rt) -> Value {
        Value item = value.as<Loop>().advance(rt);
        return item.is_missing() ? Value() : make_tuple(rt, {item, value});
      });
    }
    default: fail("'", type_name(value), "' object is not iterable");
  }
}

}  // namespace

Value make_generator(Runtime& runtime, std::function<Value(Runtime&)> next, const char* type_name) {
  return runtime.make<Generator>(64, std::move(next), type_name);
}

bool is_iterable(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::string:
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::view:
    case Kind::range:
    case Kind::iterator:
    case Kind::loop: return true;
    default: return false;
  }
}

Ref<Iterator> iterate(Runtime& runtime, const Value& value) {
  return Ref<Iterator>(&walk(runtime, value).as<Iterator>());
}

std::vector<Value> to_items(Runtime& runtime, const Value& value) {
  if (value.is_sequence()) {
    runtime.work(value.as<Sequence>().items.size() * sizeof(Value));
    return value.as<Sequence>().items;
  }
  Ref<Iterator> iterator = iterate(runtime, value);
  std::vector<Value> items;
  for (Value item = iterator->next(runtime); !item.is_missing(); item = iterator->next(runtime)) {
    runtime.check_room(items.size() + 1, sizeof(Value));
    items.push_back(std::move(item));
  }
  return items;
}

std::optional<Int> length(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::undefined: return 0;
    case Kind::string: return static_cast<Int>(value.as<Str>().length());
    case Kind::list:
    case Kind::tuple: return static_cast<Int>(value.as<Sequence>().items.size());
    case Kind::dict: return static_cast<Int>(value.as<Dict>().size());
    case Kind::view: return static_cast<Int>(value.as<View>().dict->size());
    case Kind::range: return value.as<Range>().length();
    case Kind::loop: return value.as<Loop>().length(runtime);
    default: return std::nullopt;
  }
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::string: {
      if (!item.is_string())
        fail("'in <string>' requires string as left operand, not ", type_name(item));
      runtime.work(container.as<Str>().text.size());
      return container.as<Str>().text.bytes.find(item.as<Str>().text.bytes) != std::string::npos;
    }
    case Kind::dict: return container.as<Dict>().find(runtime, item) != nullptr;
    case Kind::view:
      if (container.as<View>().of == View::Of::keys)
        return container.as<View>().dict->find(runtime, item) != nullptr;
      break;
    default:
      if (!is_iterable(container))
        fail("argument of type '", type_name(container), "' is not iterable");
  }
  Ref<Iterator> iterator = iterate(runtime, container);
  for (Value next = iterator->next(runtime); !next.is_missing(); next = iterator->next(runtime))
    if (identical(next, item) || equals(runtime, next, item)) return true;
  return false;
}

}  // namespace hearth::jinja
