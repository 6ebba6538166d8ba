// The syntax tree. Built by the parser; names are bound to slots by bind_names (scope.h); read-only
// after that, and shared by any number of renders.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "chat/jinja/native.h"
#include "chat/jinja/operators.h"

namespace hearth::jinja::ast {

struct Expr;
struct Stmt;
struct Pair;
struct Keyword;
struct Operand;
using Box = std::unique_ptr<Expr>;
using Body = std::vector<Stmt>;

// Where a variable lives: in the activation `hops` functions out, at `slot`.
struct Place {
  uint32_t hops = 0;
  uint32_t slot = 0;
};

// How a scope's own slots start: looked up among the template's variables, copied from an outer
// scope, or unset.
struct Entry {
  enum class From { variables, outer, nothing };
  uint32_t slot = 0;
  From from = From::nothing;
  std::string name;  // of variables
  Place outer;
};
struct Scope {
  std::vector<Entry> entries;
};

// Code with an activation of its own: the template, a macro, the body of a recursive loop.
struct Function {
  uint32_t n_slots = 0;
};

// Expressions.
enum class Use { load, store, parameter };

using Literal = std::variant<std::monostate, bool, Int, double, std::string>;  // monostate: none
struct Constant {
  uint32_t index = 0;  // among the template's literals
};
struct Name {
  std::string name;
  Use use = Use::load;
  Place place;
};
struct NamespaceTarget {  // ns.attribute on the left of =
  std::string name;
  uint32_t attribute = 0;  // index of the literal
  Place place;
};
struct List {
  std::vector<Expr> items;
};
struct Tuple {
  std::vector<Expr> items;
};
struct Dictionary {
  std::vector<Pair> items;
};
struct Unary {
  enum class Operator { minus, plus, negation } operation;
  Box operand;
};
struct Binary {
  BinaryOperator operation;
  Box left, right;
};
struct Logical {
  bool is_and;
  Box left, right;
};
struct Concatenation {
  std::vector<Expr> parts;
};
struct Comparison {
  enum class Operator { equal, unequal, less, less_equal, greater, greater_equal, in, not_in };
  Box first;
  std::vector<Operand> rest;
};
struct Conditional {
  Box condition, then, otherwise;  // otherwise may be null
};
struct Attribute {
  Box object;
  uint32_t name = 0;  // index of the literal
};
struct Slice {
  Box start, stop, step;  // each may be null
};
struct Item {
  Box object;
  std::variant<Box, Slice> key;
};
struct CallArguments {
  std::vector<Expr> positional;
  std::vector<Keyword> named;
  Box more_positional, more_named;  // *x, **x
};
struct Call {
  Box callee;
  CallArguments arguments;
};
struct Filter {
  Box subject;  // null: the captured text of a block
  std::string name;
  const Native* native = nullptr;  // null: unknown, an error only when reached
  CallArguments arguments;
};
struct Test {
  Box subject;
  std::string name;
  const Native* native = nullptr;
  CallArguments arguments;
};

struct Expr {
  int line = 0;
  uint32_t height = 1;  // of the tree below; bounded by the parser
  std::variant<Constant, Name, NamespaceTarget, List, Tuple, Dictionary, Unary, Binary, Logical,
               Concatenation, Comparison, Conditional, Attribute, Item, Call, Filter, Test>
      node;
};

struct Pair {
  Expr first, second;
};
struct Keyword {
  std::string name;
  Expr value;
};
struct Operand {
  Comparison::Operator operation;
  Expr value;
};

// Statements.
struct Data {
  std::string text;
};
struct Print {
  Expr value;
};
struct If {
  struct Branch {
    Expr condition;
    Body body;
  };
  std::vector<Branch> branches;  // if, elif ...
  Body otherwise;
};
struct For {
  Expr target;
  Expr items;
  Box condition;  // `if` of the loop; may be null
  Body body, otherwise;
  bool recursive = false;

  Scope body_scope, condition_scope, else_scope;
  Expr condition_target;  // `target` again, in the slots of the condition
  uint32_t loop_slot = 0;
  Function function;  // of a recursive loop
};
struct Set {
  Expr target, value;
};
struct SetBlock {
  Expr target;
  Box filter;  // chain of filters whose innermost subject is the captured text; may be null
  Body body;
  Scope scope;
};
struct Callable {  // a macro, or the body of a call block
  std::string name;
  std::vector<Expr> parameters;  // Names
  std::vector<Expr> defaults;    // of the last ones
  Body body;
  Scope scope;
  Function function;
  // Slots of the special parameters, when the body mentions them.
  std::optional<uint32_t> caller_slot, kwargs_slot, varargs_slot;
  bool names_caller = false;  // `caller` is among the parameters
};
struct Macro {
  std::unique_ptr<Callable> callable;
  Place place;
};
struct CallBlock {
  Box call;  // null: {% generation %}, which only marks its body
  std::unique_ptr<Callable> callable;
};
struct FilterBlock {
  Box filter;
  Body body;
  Scope scope;
};
struct With {
  std::vector<Pair> assignments;  // target, value
  Body body;
  Scope scope;
};
struct Block {  // {% block %}: without inheritance, a part that sees only the template's variables
  std::string name;
  Body body;
  Scope scope;
  Function function;
};
struct Break {};
struct Continue {};

struct Stmt {
  int line = 0;
  std::variant<Data, Print, If, For, Set, SetBlock, Macro, CallBlock, FilterBlock, With, Block,
               Break, Continue>
      node;
};

struct Template {
  Body body;
  Scope scope;
  Function function;
  std::vector<Literal> literals;
  // Slots of what the template's top level assigns; blocks see those.
  std::unordered_map<std::string, uint32_t> exports;
};

}  // namespace hearth::jinja::ast
