// Methods of everything but str. Those that would change their object are not here: the sandbox
// hides them.
#include <cmath>

#include "chat/jinja/loop.h"
#include "chat/jinja/method_tables.h"

namespace hearth::jinja {

namespace {

Value get(Runtime& runtime, Arguments& arguments) {
  const Value* found = arguments[0].as<Dict>().find(runtime, arguments[1]);
  if (found) return *found;
  return arguments.has(2) ? arguments[2] : Value::none();
}

template <View::Of kWhat>
Value view(Runtime& runtime, Arguments& arguments) {
  return runtime.make<View>(0, Ref<Dict>(&arguments[0].as<Dict>()), kWhat);
}

Value itself(Runtime&, Arguments& arguments) { return arguments[0]; }

Value copy_list(Runtime& runtime, Arguments& arguments) {
  return make_list(runtime, arguments[0].as<Sequence>().items);
}

Value copy_dict(Runtime& runtime, Arguments& arguments) {
  Ref<Dict> copy = make_dict(runtime);
  for (const auto& [key, value] : arguments[0].as<Dict>().items()) copy->set(runtime, key, value);
  return copy;
}

Value count(Runtime& runtime, Arguments& arguments) {
  Int n = 0;
  for (const Value& item : to_items(runtime, arguments[0])) {
    runtime.step();
    n += identical(item, arguments[1]) || equals(runtime, item, arguments[1]);
  }
  return Value::integer(n);
}

Value index(Runtime& runtime, Arguments& arguments) {
  std::vector<Value> items = to_items(runtime, arguments[0]);
  Int length = static_cast<Int>(items.size());
  auto bound = [&](size_t i, Int fallback) {
    Int at = int_or(arguments[i], fallback, "index");
    return at < 0 ? std::max(at + length, Int{0}) : std::min(at, length);
  };
  Int end = bound(3, length);
  for (Int i = bound(2, 0); i < end; ++i) {
    const Value& item = items[static_cast<size_t>(i)];
    runtime.step();
    if (identical(item, arguments[1]) || equals(runtime, item, arguments[1]))
      return Value::integer(i);
  }
  fail("value is not in ", type_name(arguments[0]));
}

Value bit_length(Runtime&, Arguments& arguments) {
  Int value = arguments[0].as_int();
  auto rest = static_cast<unsigned __int128>(value);
  if (value < 0) rest = 0 - rest;
  Int bits = 0;
  for (; rest > 0; rest >>= 1) ++bits;
  return Value::integer(bits);
}

Value is_integer(Runtime&, Arguments& arguments) {
  double value = arguments[0].as_real();
  return Value::boolean(std::isfinite(value) && value == std::floor(value));
}

Value next(Runtime&, Arguments& arguments) {
  Cycler& cycler = arguments[0].as<Cycler>();
  Value current = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return current;
}

Value reset(Runtime&, Arguments& arguments) {
  arguments[0].as<Cycler>().position = 0;
  return Value::none();
}

constexpr Native kDictMethods[] = {
    {"copy", copy_dict, 1, {"self"}},
    {"get", get, 2, {"self", "key", "default"}, false},
    {"items", view<View::Of::items>, 1, {"self"}},
    {"keys", view<View::Of::keys>, 1, {"self"}},
    {"values", view<View::Of::values>, 1, {"self"}},
};

constexpr Native kSequenceMethods[] = {
    {"copy", copy_list, 1, {"self"}},
    {"count", count, 2, {"self", "value"}, false},
    {"index", index, 2, {"self", "value", "start", "stop"}, false},
};

constexpr Native kNumberMethods[] = {
    {"bit_length", bit_length, 1, {"self"}},
    {"conjugate", itself, 1, {"self"}},
    {"is_integer", is_integer, 1, {"self"}},
};

constexpr Native kCyclerMethods[] = {
    {"next", next, 1, {"self"}},
    {"reset", reset, 1, {"self"}},
};

}  // namespace

std::span<const Native> dict_methods() { return kDictMethods; }
std::span<const Native> sequence_methods() { return kSequenceMethods; }
std::span<const Native> number_methods() { return kNumberMethods; }
std::span<const Native> cycler_methods() { return kCyclerMethods; }

}  // namespace hearth::jinja
