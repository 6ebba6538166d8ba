// Macros as values, and the activations that they close over.
#pragma once

#include "chat/jinja/ast.h"
#include "chat/jinja/value.h"

namespace hearth::jinja {

// The variables of one call of a function. Scopes inside a function (loops, with) have slots of
// their own in it; a macro sees the slots of the functions around it as they are when it runs.
struct Activation : Object {
  Activation(const ast::Function& function, Ref<Activation> outer)
      : slots(function.n_slots), parent(std::move(outer)) {}
  void clear() override {
    slots.clear();
    parent = {};
  }
  std::vector<Value> slots;
  Ref<Activation> parent;
};

struct Macro : Object {
  static Kind value_kind() { return Kind::macro; }
  Macro(const ast::Callable& code, Ref<Activation> around)
      : callable(code), closure(std::move(around)) {}
  void clear() override { closure = {}; }
  const ast::Callable& callable;
  Ref<Activation> closure;
};

std::string macro_repr(const Value& macro);
// Missing when there is no such attribute.
Value macro_attribute(Runtime& runtime, const Value& macro, std::string_view name);

}  // namespace hearth::jinja
