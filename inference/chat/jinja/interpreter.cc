#include "chat/jinja/interpreter.h"

#include <algorithm>

#include "chat/jinja/format.h"

namespace hearth::jinja {

Interpreter::Interpreter(Runtime& runtime, const ast::Template& code, Variables variables)
    : runtime_(runtime),
      code_(code),
      variables_(std::move(variables)),
      literals_(code.literals.size()) {
  for (const Native& native : global_functions())
    variables_.try_emplace(std::string(native.name),
                           runtime_.make<BoundNative>(0, native, Value()));
}

Text Interpreter::run() {
  Capture output(*this);
  root_ = runtime_.make<Activation>(code_.function.n_slots * sizeof(Value), code_.function,
                                    Ref<Activation>());
  Activated current(*this, root_);
  enter(code_.scope);
  execute(code_.body);
  return std::move(output.text);
}

Interpreter::Flow Interpreter::execute(const ast::Body& body) {
  for (const ast::Stmt& stmt : body)
    if (Flow flow = execute(stmt); flow != Flow::normal) return flow;
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute(const ast::Stmt& stmt) {
  runtime_.step();
  try {
    return std::visit([this](const auto& node) { return run_node(node); }, stmt.node);
  } catch (Failure& failure) {
    if (failure.line == 0) failure.line = stmt.line;
    throw;
  }
}

Interpreter::Flow Interpreter::run_node(const ast::Data& node) {
  runtime_.work(node.text.size());
  out_->append(node.text);
  check_output();
  return Flow::normal;
}

Interpreter::Flow Interpreter::run_node(const ast::Print& node) {
  write(evaluate(node.value));
  return Flow::normal;
}

Interpreter::Flow Interpreter::run_node(const ast::If& node) {
  Nesting nesting(runtime_);
  for (const ast::If::Branch& branch : node.branches)
    if (truth_of(branch.condition)) return execute(branch.body);
  return execute(node.otherwise);
}

Interpreter::Flow Interpreter::run_node(const ast::For& node) {
  Nesting nesting(runtime_);
  Value items = evaluate(node.items);
  if (!node.recursive) return loop(node, items, 0);
  write(recursive_loop(node, items, 0));
  return Flow::normal;
}

Value Interpreter::recursive_loop(const ast::For& node, const Value& items, uint32_t depth) {
  Nesting nesting(runtime_);
  auto activation =
      runtime_.make<Activation>(node.function.n_slots * sizeof(Value), node.function, activation_);
  Activated current(*this, std::move(activation));
  Capture output(*this);
  loop(node, items, depth);
  return make_string(runtime_, std::move(output.text));
}

Interpreter::Flow Interpreter::loop(const ast::For& node, const Value& items, uint32_t depth) {
  Value walked = node.condition ? filtered(node, items) : items;
  Ref<Loop> loop = runtime_.make<Loop>(0, walked, iterate(runtime_, walked), depth);
  if (node.recursive) {
    loop->recurse = [this, &node, depth, outer = activation_->parent](Runtime&,
                                                                      const Value& inner) {
      Activated around(*this, outer);
      return recursive_loop(node, inner, depth + 1);
    };
  }
  bool any_completed = false;  // what `else` goes by: a round cut short does not count
  for (Value item = loop->advance(runtime_); !item.is_missing(); item = loop->advance(runtime_)) {
    runtime_.step();
    activation_->slots[node.loop_slot] = loop;
    assign(node.target, std::move(item));
    enter(node.body_scope);
    Flow flow = execute(node.body);
    if (flow == Flow::broke) break;
    if (flow == Flow::normal) any_completed = true;
  }
  if (any_completed || node.otherwise.empty()) return Flow::normal;
  enter(node.else_scope);
  return execute(node.otherwise);
}

// The items for which the loop's own condition holds, tested as the loop gets to them.
Value Interpreter::filtered(const ast::For& node, const Value& items) {
  Ref<Iterator> source = iterate(runtime_, items);
  return make_generator(runtime_,
                        [this, &node, source, activation = activation_,
                         entered = false](Runtime& runtime) mutable -> Value {
                          Activated current(*this, activation);
                          if (!std::exchange(entered, true)) enter(node.condition_scope);
                          while (true) {
                            Value item = source->next(runtime);
                            if (item.is_missing()) return item;
                            assign(node.condition_target, item);
                            if (truth_of(*node.condition)) return evaluate(node.condition_target);
                          }
                        });
}

Interpreter::Flow Interpreter::run_node(const ast::Set& node) {
  check_namespaces(node.target);
  assign(node.target, evaluate(node.value));
  return Flow::normal;
}

Value Interpreter::captured(const ast::Body& body, Flow& flow) {
  Nesting nesting(runtime_);
  Capture output(*this);
  flow = execute(body);
  return make_string(runtime_, std::move(output.text));
}

Interpreter::Flow Interpreter::run_node(const ast::SetBlock& node) {
  enter(node.scope);
  Flow flow;
  Value text = captured(node.body, flow);
  if (flow != Flow::normal) return flow;
  if (node.filter) {
    std::swap(block_text_, text);
    Value result = evaluate(*node.filter);
    block_text_ = std::exchange(text, std::move(result));
  }
  check_namespaces(node.target);
  assign(node.target, std::move(text));
  return Flow::normal;
}

Interpreter::Flow Interpreter::run_node(const ast::FilterBlock& node) {
  enter(node.scope);
  Flow flow;
  Value text = captured(node.body, flow);
  if (flow != Flow::normal) return flow;
  std::swap(block_text_, text);
  Value result = evaluate(*node.filter);
  block_text_ = std::move(text);
  write_string(result);
  return Flow::normal;
}

Interpreter::Flow Interpreter::run_node(const ast::Macro& node) {
  slot(node.place) = runtime_.make<Macro>(0, *node.callable, activation_);
  return Flow::normal;
}

Interpreter::Flow Interpreter::run_node(const ast::CallBlock& node) {
  Nesting nesting(runtime_);
  Value caller = runtime_.make<Macro>(0, *node.callable, activation_);
  if (!node.call) {
    write(call(caller, {}));
    return Flow::normal;
  }
  const auto& given = std::get<ast::Call>(node.call->node);
  Value callee = evaluate(*given.callee);
  Arguments arguments = arguments_of(given.arguments);
  arguments.named.emplace_back("caller", std::move(caller));
  write_string(call(callee, std::move(arguments)));
  return Flow::normal;
}

Interpreter::Flow Interpreter::run_node(const ast::With& node) {
  Nesting nesting(runtime_);
  enter(node.scope);
  for (const auto& [target, value] : node.assignments) assign(target, evaluate(value));
  return execute(node.body);
}

Interpreter::Flow Interpreter::run_node(const ast::Block& node) {
  Nesting nesting(runtime_);
  Activated current(*this, runtime_.make<Activation>(node.function.n_slots * sizeof(Value),
                                                     node.function, Ref<Activation>()));
  enter(node.scope);
  return execute(node.body);
}

void Interpreter::enter(const ast::Scope& scope) {
  for (const ast::Entry& entry : scope.entries) {
    Value start;
    if (entry.from == ast::Entry::From::variables) start = variable(entry.name);
    if (entry.from == ast::Entry::From::outer) start = slot(entry.outer);
    activation_->slots[entry.slot] = std::move(start);
  }
}

// What the top level has assigned hides what the template was given.
Value Interpreter::variable(const std::string& name) {
  auto exported = code_.exports.find(name);
  if (exported != code_.exports.end() && !root_->slots[exported->second].is_missing())
    return root_->slots[exported->second];
  auto found = variables_.find(name);
  return found == variables_.end() ? Value() : found->second;
}

Value& Interpreter::slot(const ast::Place& place) {
  Activation* activation = activation_.get();
  for (uint32_t i = 0; i < place.hops; ++i) activation = activation->parent.get();
  return activation->slots[place.slot];
}

void Interpreter::check_namespaces(const ast::Expr& target) {
  if (const auto* attribute = std::get_if<ast::NamespaceTarget>(&target.node)) {
    if (!slot(attribute->place).is(Kind::name_space))
      fail("cannot assign attribute on non-namespace object");
  } else if (const auto* items = std::get_if<ast::Tuple>(&target.node)) {
    for (const ast::Expr& item : items->items) check_namespaces(item);
  }
}

void Interpreter::assign(const ast::Expr& target, Value value) {
  if (const auto* name = std::get_if<ast::Name>(&target.node)) {
    slot(name->place) = std::move(value);
  } else if (const auto* items = std::get_if<ast::Tuple>(&target.node)) {
    unpack(*items, value);
  } else {
    const auto& attribute = std::get<ast::NamespaceTarget>(target.node);
    const Value& object = slot(attribute.place);
    const Value& key = literal(attribute.attribute);
    if (!object.is(Kind::name_space)) fail("cannot assign attribute on non-namespace object");
    if (key.as<Str>().text.bytes.starts_with('_'))
      fail("a namespace cannot hold an attribute that starts with an underscore");
    object.as<Namespace>().attributes->set(runtime_, key, std::move(value));
  }
}

void Interpreter::unpack(const ast::Tuple& target, const Value& value) {
  if (!is_iterable(value)) fail("cannot unpack non-iterable ", type_name(value), " object");
  Ref<Iterator> iterator = iterate(runtime_, value);
  std::vector<Value> items;
  for (Value item = iterator->next(runtime_); !item.is_missing(); item = iterator->next(runtime_)) {
    if (items.size() == target.items.size())
      fail("too many values to unpack (expected ", std::to_string(target.items.size()), ")");
    items.push_back(std::move(item));
  }
  if (items.size() < target.items.size())
    fail("not enough values to unpack (expected ", std::to_string(target.items.size()), ", got ",
         std::to_string(items.size()), ")");
  for (size_t i = 0; i < items.size(); ++i) assign(target.items[i], std::move(items[i]));
}

void Interpreter::write(const Value& value) {
  append_str(runtime_, *out_, value);
  check_output();
}

void Interpreter::write_string(const Value& value) {
  if (!value.is_string())
    fail("the block gives a value of type '", type_name(value), "', not text");
  write(value);
}

void Interpreter::check_output() {
  if (out_->size() > runtime_.limits().max_output_bytes)
    fail("the template writes more than ", std::to_string(runtime_.limits().max_output_bytes),
         " bytes");
}

}  // namespace hearth::jinja
