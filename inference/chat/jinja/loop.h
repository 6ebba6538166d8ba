// The `loop` variable of a for statement, and the two small counters that Jinja offers as globals.
#pragma once

#include "chat/jinja/value.h"

namespace hearth::jinja {

class Loop : public Object {
 public:
  static Kind value_kind() { return Kind::loop; }
  Loop(Value walked, Ref<Iterator> iterator, uint32_t depth)
      : depth0(depth), walked_(std::move(walked)), iterator_(std::move(iterator)) {}

  Value advance(Runtime& runtime);  // the next item, or missing
  Value peek(Runtime& runtime);     // the item after this one, or missing: pulls one ahead
  // Of what is walked; a stream is read to its end to know.
  Int length(Runtime& runtime);

  Int index0 = -1;
  Value previous;  // missing on the first round
  Value last_changed;
  const uint32_t depth0;
  std::function<Value(Runtime&, const Value& items)> recurse;  // of a recursive loop

 private:
  void clear() override;

  Value walked_;
  Ref<Iterator> iterator_;
  Value current_, after_;
  std::optional<Int> length_;
};

struct Cycler : Object {
  static Kind value_kind() { return Kind::cycler; }
  explicit Cycler(std::vector<Value> values) : items(std::move(values)) {}
  void clear() override { items.clear(); }
  std::vector<Value> items;
  size_t position = 0;
};

struct Joiner : Object {
  static Kind value_kind() { return Kind::joiner; }
  explicit Joiner(Value text) : separator(std::move(text)) {}
  void clear() override { separator = {}; }
  Value separator;
  bool used = false;
};

// loop.NAME; missing when there is no such attribute.
Value loop_attribute(Runtime& runtime, const Value& loop, std::string_view name);

}  // namespace hearth::jinja
