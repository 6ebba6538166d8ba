// Functions of the language that are written in C++: filters, tests, methods, globals.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "chat/jinja/value.h"

namespace hearth::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  const Value& operator[](size_t i) const { return positional[i]; }
  bool has(size_t i) const { return !positional[i].is_missing(); }
};

// `call` gets exactly as many positional arguments as there are parameters, in their order; those
// not given are missing. A variadic function gets what was passed.
struct Native {
  using Function = Value (*)(Runtime&, Arguments&);
  static constexpr size_t kVariadic = SIZE_MAX;

  std::string_view name;
  Function call;
  size_t n_required = 0;  // or kVariadic
  std::array<std::string_view, 7> parameters{};
  bool takes_keywords = true;
};

// Binds the arguments to the parameters and calls.
Value invoke(Runtime& runtime, const Native& native, Arguments& arguments);

// A method together with its object, or a global function (subject missing).
struct BoundNative : Object {
  static Kind value_kind() { return Kind::native; }
  BoundNative(const Native& function, Value self) : native(function), subject(std::move(self)) {}
  void clear() override { subject = {}; }
  const Native& native;
  Value subject;
};

const Native* find_filter(std::string_view name);
const Native* find_test(std::string_view name);
const Native* find_method(const Value& subject, std::string_view name);
std::span<const Native> global_functions();

// Arguments that must be of a type; the message names the function.
const Str& string_argument(const Value& value, std::string_view function);
Int int_argument(const Value& value, std::string_view function);
Int int_or(const Value& value, Int fallback, std::string_view function);

}  // namespace hearth::jinja
