#include "chat/jinja/loop.h"

#include "chat/jinja/native.h"

namespace hearth::jinja {

Value Loop::advance(Runtime& runtime) {
  Value item = after_.is_missing() ? iterator_->next(runtime) : std::move(after_);
  after_ = {};
  if (item.is_missing()) return item;
  ++index0;
  previous = std::move(current_);
  current_ = item;
  return item;
}

Value Loop::peek(Runtime& runtime) {
  if (after_.is_missing()) after_ = iterator_->next(runtime);
  return after_;
}

Int Loop::length(Runtime& runtime) {
  if (length_) return *length_;
  length_ = jinja::length(runtime, walked_);
  if (!length_) {
    std::vector<Value> rest = to_items(runtime, iterator_);
    length_ = static_cast<Int>(rest.size()) + index0 + 1 + !after_.is_missing();
    iterator_ = iterate(runtime, make_list(runtime, std::move(rest)));
  }
  return *length_;
}

void Loop::clear() {
  walked_ = current_ = after_ = previous = last_changed = {};
  iterator_ = {};
  recurse = nullptr;
}

namespace {

Value cycle(Runtime&, Arguments& arguments) {
  size_t n = arguments.positional.size() - 1;
  if (n == 0) fail("no items for cycling given");
  return arguments[1 + static_cast<size_t>(arguments[0].as<Loop>().index0 % static_cast<Int>(n))];
}

Value changed(Runtime& runtime, Arguments& arguments) {
  Loop& loop = arguments[0].as<Loop>();
  Value now = make_tuple(runtime, {arguments.positional.begin() + 1, arguments.positional.end()});
  bool differs = loop.last_changed.is_missing() || !equals(runtime, loop.last_changed, now);
  if (differs) loop.last_changed = now;
  return Value::boolean(differs);
}

constexpr Native kCycle{"cycle", cycle, Native::kVariadic};
constexpr Native kChanged{"changed", changed, Native::kVariadic};

}  // namespace

Value loop_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  Loop& loop = value.as<Loop>();
  if (name == "index") return Value::integer(loop.index0 + 1);
  if (name == "index0") return Value::integer(loop.index0);
  if (name == "first") return Value::boolean(loop.index0 == 0);
  if (name == "last") return Value::boolean(loop.peek(runtime).is_missing());
  if (name == "length") return Value::integer(loop.length(runtime));
  if (name == "revindex") return Value::integer(loop.length(runtime) - loop.index0);
  if (name == "revindex0") return Value::integer(loop.length(runtime) - loop.index0 - 1);
  if (name == "depth") return Value::integer(Int{loop.depth0} + 1);
  if (name == "depth0") return Value::integer(loop.depth0);
  if (name == "previtem")
    return loop.previous.is_missing() ? make_undefined(runtime, "there is no previous item")
                                      : loop.previous;
  if (name == "nextitem") {
    Value next = loop.peek(runtime);
    return next.is_missing() ? make_undefined(runtime, "there is no next item") : next;
  }
  if (name == "cycle") return runtime.make<BoundNative>(0, kCycle, value);
  if (name == "changed") return runtime.make<BoundNative>(0, kChanged, value);
  return {};
}

}  // namespace hearth::jinja
