// Runs a bound template.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "chat/jinja/ast.h"
#include "chat/jinja/loop.h"
#include "chat/jinja/macro.h"

namespace hearth::jinja {

using Variables = std::unordered_map<std::string, Value>;

// One render: walks the tree once. Lives on the stack of Template::render.
class Interpreter {
 public:
  Interpreter(Runtime& runtime, const ast::Template& code, Variables variables);
  Text run();

 private:
  enum class Flow { normal, broke, continued };

  // Statements.
  Flow execute(const ast::Body& body);
  Flow execute(const ast::Stmt& stmt);
  Flow run_node(const ast::Data& node);
  Flow run_node(const ast::Print& node);
  Flow run_node(const ast::If& node);
  Flow run_node(const ast::For& node);
  Flow run_node(const ast::Set& node);
  Flow run_node(const ast::SetBlock& node);
  Flow run_node(const ast::Macro& node);
  Flow run_node(const ast::CallBlock& node);
  Flow run_node(const ast::FilterBlock& node);
  Flow run_node(const ast::With& node);
  Flow run_node(const ast::Block& node);
  Flow run_node(const ast::Break&) { return Flow::broke; }
  Flow run_node(const ast::Continue&) { return Flow::continued; }

  Flow loop(const ast::For& node, const Value& items, uint32_t depth);
  Value filtered(const ast::For& node, const Value& items);
  Value recursive_loop(const ast::For& node, const Value& items, uint32_t depth);
  Value captured(const ast::Body& body, Flow& flow);
  void enter(const ast::Scope& scope);
  void assign(const ast::Expr& target, Value value);
  void unpack(const ast::Tuple& target, const Value& value);
  void check_namespaces(const ast::Expr& target);
  void write(const Value& value);
  void write_string(const Value& value);
  void check_output();

  // Expressions.
  Value evaluate(const ast::Expr& expr);
  Value value_of(const ast::Constant& node);
  Value value_of(const ast::Name& node);
  Value value_of(const ast::NamespaceTarget& node);
  Value value_of(const ast::List& node);
  Value value_of(const ast::Tuple& node);
  Value value_of(const ast::Dictionary& node);
  Value value_of(const ast::Unary& node);
  Value value_of(const ast::Binary& node);
  Value value_of(const ast::Logical& node);
  Value value_of(const ast::Concatenation& node);
  Value value_of(const ast::Comparison& node);
  Value value_of(const ast::Conditional& node);
  Value value_of(const ast::Attribute& node);
  Value value_of(const ast::Item& node);
  Value value_of(const ast::Call& node);
  Value value_of(const ast::Filter& node);
  Value value_of(const ast::Test& node);

  bool truth_of(const ast::Expr& expr);
  std::vector<Value> values_of(const std::vector<ast::Expr>& exprs);
  const Value& literal(uint32_t index);
  Arguments arguments_of(const ast::CallArguments& given, Value first = {});
  Value call(const Value& callee, Arguments arguments);
  Value call_macro(const Value& callee, Arguments arguments);
  void bind_parameters(const ast::Callable& code, Activation& activation, Arguments& arguments);

  Value& slot(const ast::Place& place);
  Value variable(const std::string& name);

  // Makes an activation current, and puts the one before back.
  class Activated {
   public:
    Activated(Interpreter& interpreter, Ref<Activation> activation)
        : interpreter_(interpreter),
          previous_(std::exchange(interpreter.activation_, std::move(activation))) {}
    ~Activated() { interpreter_.activation_ = std::move(previous_); }
    Activated(const Activated&) = delete;

   private:
    Interpreter& interpreter_;
    Ref<Activation> previous_;
  };

  // Sends output to a text of its own, until it ends.
  class Capture {
   public:
    explicit Capture(Interpreter& interpreter)
        : interpreter_(interpreter), previous_(std::exchange(interpreter.out_, &text)) {}
    ~Capture() { interpreter_.out_ = previous_; }
    Capture(const Capture&) = delete;
    Text text;

   private:
    Interpreter& interpreter_;
    Text* previous_;
  };

  Runtime& runtime_;
  const ast::Template& code_;
  Variables variables_;
  std::vector<Value> literals_;  // made when first used
  Ref<Activation> root_;
  Ref<Activation> activation_;
  Text* out_ = nullptr;
  Value block_text_;  // subject of the filters of a filter block or set block
};

}  // namespace hearth::jinja
