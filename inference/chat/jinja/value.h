// Values of the template language: Python's None, bool, int, float, str, list, tuple, dict, range,
// plus the objects that Jinja adds. A Value is two words and a count; containers are shared.
//
// Containers never change once built (the sandbox forbids it), except namespaces.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "chat/jinja/runtime.h"
#include "chat/jinja/text.h"

namespace hearth::jinja {

using Int = __int128;  // Python's are unbounded; 128 bits hold every JSON integer

enum class Kind : uint8_t {
  missing,  // no value at all: an unset slot, an argument that was not given
  undefined,
  none,
  boolean,
  integer,
  real,
  string,
  list,
  tuple,
  dict,
  range,
  view,
  iterator,
  name_space,
  native,
  macro,
  loop,
  cycler,
  joiner
};

class Value {
 public:
  Value() : integer_(0) {}
  static Value none() { return Value(Kind::none); }
  static Value boolean(bool value) {
    Value result(Kind::boolean);
    result.boolean_ = value;
    return result;
  }
  static Value integer(Int value) {
    Value result(Kind::integer);
    result.integer_ = value;
    return result;
  }
  static Value real(double value) {
    Value result(Kind::real);
    result.real_ = value;
    return result;
  }
  template <class T>
  Value(const Ref<T>& object) : kind_(object->value_kind()), object_(object.get()) {
    object_->retain();
  }

  Value(const Value& other) : kind_(other.kind_), integer_(other.integer_) {
    if (holds_object()) object_->retain();
  }
  Value(Value&& other) noexcept : kind_(other.kind_), integer_(other.integer_) {
    other.kind_ = Kind::missing;
  }
  Value& operator=(Value other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(integer_, other.integer_);
    return *this;
  }
  ~Value() {
    if (holds_object()) object_->release();
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_missing() const { return is(Kind::missing); }
  bool is_undefined() const { return is(Kind::undefined); }
  bool is_none() const { return is(Kind::none); }
  bool is_string() const { return is(Kind::string); }
  bool is_number() const { return is(Kind::boolean) || is(Kind::integer) || is(Kind::real); }
  bool is_int() const { return is(Kind::boolean) || is(Kind::integer); }  // as Python's isinstance
  bool is_sequence() const { return is(Kind::list) || is(Kind::tuple); }

  bool as_bool() const { return boolean_; }
  Int as_int() const { return is(Kind::boolean) ? boolean_ : integer_; }
  double as_real() const { return is(Kind::real) ? real_ : static_cast<double>(as_int()); }
  Object* object() const { return object_; }
  template <class T>
  T& as() const {
    return static_cast<T&>(*object_);
  }

 private:
  explicit Value(Kind kind) : kind_(kind), integer_(0) {}
  bool holds_object() const { return kind_ == Kind::undefined || kind_ >= Kind::string; }

  Kind kind_ = Kind::missing;
  union {
    bool boolean_;
    Int integer_;
    double real_;
    Object* object_;
  };
};

// What a name or attribute that does not exist gives; printing it is fine, using it is not.
struct Undefined : Object {
  static Kind value_kind() { return Kind::undefined; }
  explicit Undefined(std::string text) : message(std::move(text)) {}
  std::string message;
};

struct Str : Object {
  static Kind value_kind() { return Kind::string; }
  explicit Str(Text content, bool is_markup = false)
      : text(std::move(content)), markup(is_markup) {}
  // In code points. Counted once.
  size_t length() const;
  bool is_ascii() const { return length() == text.size(); }
  size_t offset(size_t index) const;  // byte offset of a code point

  const Text text;
  const bool markup;  // escaped or declared safe: concatenation escapes the other side

 private:
  mutable size_t length_ = SIZE_MAX;
};

struct Sequence : Object {
  Kind value_kind() const { return is_tuple ? Kind::tuple : Kind::list; }
  Sequence(std::vector<Value> values, bool tuple) : items(std::move(values)), is_tuple(tuple) {}
  void clear() override { items.clear(); }

  std::vector<Value> items;
  const bool is_tuple;
  bool is_group = false;  // of groupby: .grouper and .list name its two items
};

class Dict : public Object {
 public:
  static Kind value_kind() { return Kind::dict; }
  using Item = std::pair<Value, Value>;

  const Value* find(Runtime& runtime, const Value& key) const;  // fails on an unhashable key
  const Value* find(std::string_view key) const;
  void set(Runtime& runtime, Value key, Value value);
  const std::vector<Item>& items() const { return items_; }  // in order of insertion
  size_t size() const { return items_.size(); }

 private:
  void clear() override {
    index_.clear();
    items_.clear();
  }
  std::optional<size_t> position(Runtime& runtime, const Value& key, size_t hash) const;

  std::vector<Item> items_;
  std::unordered_multimap<size_t, size_t> index_;  // hash -> position in items_
};

struct Range : Object {
  static Kind value_kind() { return Kind::range; }
  Range(Int first, Int end, Int by) : start(first), stop(end), step(by) {}
  Int length() const;
  Int at(Int index) const { return start + index * step; }
  const Int start, stop, step;
};

// dict.keys(), .values(), .items()
struct View : Object {
  enum class Of { keys, values, items };
  static Kind value_kind() { return Kind::view; }
  View(Ref<Dict> source, Of what) : dict(std::move(source)), of(what) {}
  Value at(Runtime& runtime, size_t index) const;
  void clear() override { dict = {}; }
  Ref<Dict> dict;
  const Of of;
};

// A one-shot stream: what map, select, items, batch ... return, and what a loop walks.
class Iterator : public Object {
 public:
  static Kind value_kind() { return Kind::iterator; }
  virtual Value next(Runtime& runtime) = 0;  // missing at the end
  virtual const char* type_name() const { return "generator"; }
};

struct Namespace : Object {
  static Kind value_kind() { return Kind::name_space; }
  explicit Namespace(Ref<Dict> values) : attributes(std::move(values)) {}
  void clear() override { attributes = {}; }
  Ref<Dict> attributes;
};

Value make_string(Runtime& runtime, Text text, bool markup = false);
Value make_string(Runtime& runtime, std::string_view literal);
Value make_list(Runtime& runtime, std::vector<Value> items);
Value make_tuple(Runtime& runtime, std::vector<Value> items);
Value make_undefined(Runtime& runtime, std::string message);
Ref<Dict> make_dict(Runtime& runtime);

std::string type_name(const Value& value);  // "str", "NoneType", as Python says it
bool truth(Runtime& runtime, const Value& value);
// len(); nothing for a value without one.
std::optional<Int> length(Runtime& runtime, const Value& value);

bool equals(Runtime& runtime, const Value& a, const Value& b);
bool identical(const Value& a, const Value& b);  // Python's `is`
size_t hash(Runtime& runtime, const Value& value);
// < 0, 0 or > 0; nothing where Python has no order (NaN); fails on types without one.
std::optional<int> compare(Runtime& runtime, const Value& a, const Value& b, const char* operation);
bool contains(Runtime& runtime, const Value& container, const Value& item);

// Walks anything iterable; fails with Python's "'int' object is not iterable".
Ref<Iterator> iterate(Runtime& runtime, const Value& value);
bool is_iterable(const Value& value);
std::vector<Value> to_items(Runtime& runtime, const Value& value);

// An Iterator from a function that gives the next value, or missing.
Value make_generator(Runtime& runtime, std::function<Value(Runtime&)> next,
                     const char* type_name = "generator");

std::string to_string(Int value);

}  // namespace hearth::jinja
