// The expressions of the interpreter.
#include <algorithm>

#include "chat/jinja/format.h"
#include "chat/jinja/interpreter.h"

namespace hearth::jinja {

Value Interpreter::evaluate(const ast::Expr& expr) {
  runtime_.step();
  if (const auto* name = std::get_if<ast::Name>(&expr.node)) return value_of(*name);
  if (const auto* constant = std::get_if<ast::Constant>(&expr.node)) return value_of(*constant);
  Nesting nesting(runtime_);
  try {
    Value value = std::visit([this](const auto& node) { return value_of(node); }, expr.node);
    if (!value.is_missing()) return value;
  } catch (Failure& failure) {
    if (failure.line == 0) failure.line = expr.line;
    throw;
  }
  return make_undefined(runtime_,
                        concat("the inline if-expression on line ", std::to_string(expr.line),
                               " evaluated to false and no else section was defined."));
}

bool Interpreter::truth_of(const ast::Expr& expr) { return truth(runtime_, evaluate(expr)); }

std::vector<Value> Interpreter::values_of(const std::vector<ast::Expr>& exprs) {
  std::vector<Value> values;
  values.reserve(exprs.size());
  for (const ast::Expr& expr : exprs) values.push_back(evaluate(expr));
  return values;
}

const Value& Interpreter::literal(uint32_t index) {
  Value& made = literals_[index];
  if (!made.is_missing()) return made;
  const ast::Literal& literal = code_.literals[index];
  if (const auto* text = std::get_if<std::string>(&literal))
    made = make_string(runtime_, *text);
  else if (const auto* integer = std::get_if<Int>(&literal))
    made = Value::integer(*integer);
  else if (const auto* real = std::get_if<double>(&literal))
    made = Value::real(*real);
  else if (const auto* boolean = std::get_if<bool>(&literal))
    made = Value::boolean(*boolean);
  else
    made = Value::none();
  return made;
}

Value Interpreter::value_of(const ast::Constant& node) { return literal(node.index); }

Value Interpreter::value_of(const ast::Name& node) {
  const Value& value = slot(node.place);
  return value.is_missing() ? make_undefined(runtime_, concat("'", node.name, "' is undefined"))
                            : value;
}

Value Interpreter::value_of(const ast::NamespaceTarget& node) { return slot(node.place); }

Value Interpreter::value_of(const ast::List& node) {
  return make_list(runtime_, values_of(node.items));
}

Value Interpreter::value_of(const ast::Tuple& node) {
  return make_tuple(runtime_, values_of(node.items));
}

Value Interpreter::value_of(const ast::Dictionary& node) {
  Ref<Dict> dict = make_dict(runtime_);
  for (const auto& [key, value] : node.items) {
    Value name = evaluate(key);
    dict->set(runtime_, std::move(name), evaluate(value));
  }
  return dict;
}

Value Interpreter::value_of(const ast::Unary& node) {
  Value operand = evaluate(*node.operand);
  switch (node.operation) {
    case ast::Unary::Operator::minus: return negate(runtime_, operand);
    case ast::Unary::Operator::plus: return plus(runtime_, operand);
    case ast::Unary::Operator::negation: return Value::boolean(!truth(runtime_, operand));
  }
  return {};
}

Value Interpreter::value_of(const ast::Binary& node) {
  Value left = evaluate(*node.left);
  return apply(runtime_, node.operation, left, evaluate(*node.right));
}

Value Interpreter::value_of(const ast::Logical& node) {
  Value left = evaluate(*node.left);
  return truth(runtime_, left) == node.is_and ? evaluate(*node.right) : left;
}

Value Interpreter::value_of(const ast::Concatenation& node) {
  Text text;
  for (const Value& part : values_of(node.parts)) {
    append_str(runtime_, text, part);
    runtime_.check_room(text.size());
  }
  return make_string(runtime_, std::move(text));
}

namespace {

bool holds(Runtime& runtime, ast::Comparison::Operator operation, const Value& a, const Value& b) {
  using Operator = ast::Comparison::Operator;
  switch (operation) {
    case Operator::equal: return equals(runtime, a, b);
    case Operator::unequal: return !equals(runtime, a, b);
    case Operator::in: return contains(runtime, b, a);
    case Operator::not_in: return !contains(runtime, b, a);
    default: break;
  }
  constexpr const char* kSymbols[] = {"==", "!=", "<", "<=", ">", ">="};
  auto order = compare(runtime, a, b, kSymbols[static_cast<size_t>(operation)]);
  if (!order) return false;
  if (operation == Operator::less) return *order < 0;
  if (operation == Operator::less_equal) return *order <= 0;
  return operation == Operator::greater ? *order > 0 : *order >= 0;
}

}  // namespace

Value Interpreter::value_of(const ast::Comparison& node) {
  Value left = evaluate(*node.first);
  for (const auto& [operation, operand] : node.rest) {
    Value right = evaluate(operand);
    if (!holds(runtime_, operation, left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::value_of(const ast::Conditional& node) {
  if (truth_of(*node.condition)) return evaluate(*node.then);
  return node.otherwise ? evaluate(*node.otherwise) : Value();
}

Value Interpreter::value_of(const ast::Attribute& node) {
  Value object = evaluate(*node.object);
  return get_attribute(runtime_, object, literal(node.name));
}

Value Interpreter::value_of(const ast::Item& node) {
  Value object = evaluate(*node.object);
  if (const auto* key = std::get_if<ast::Box>(&node.key))
    return get_item(runtime_, object, evaluate(**key));
  const ast::Slice& slice = std::get<ast::Slice>(node.key);
  auto bound = [&](const ast::Box& box) { return box ? evaluate(*box) : Value::none(); };
  Value start = bound(slice.start);
  Value stop = bound(slice.stop);
  return get_slice(runtime_, object, start, stop, bound(slice.step));
}

Value Interpreter::value_of(const ast::Call& node) {
  Value callee = evaluate(*node.callee);
  return call(callee, arguments_of(node.arguments));
}

Value Interpreter::value_of(const ast::Filter& node) {
  Value subject = node.subject ? evaluate(*node.subject) : block_text_;
  if (!node.native) fail("No filter named '", node.name, "' found.");
  Arguments arguments = arguments_of(node.arguments, std::move(subject));
  return invoke(runtime_, *node.native, arguments);
}

Value Interpreter::value_of(const ast::Test& node) {
  Value subject = evaluate(*node.subject);
  if (!node.native) fail("No test named '", node.name, "' found.");
  Arguments arguments = arguments_of(node.arguments, std::move(subject));
  return invoke(runtime_, *node.native, arguments);
}

Arguments Interpreter::arguments_of(const ast::CallArguments& given, Value first) {
  Arguments arguments;
  arguments.positional.reserve(given.positional.size() + 1);
  if (!first.is_missing()) arguments.positional.push_back(std::move(first));
  for (const ast::Expr& value : given.positional) arguments.positional.push_back(evaluate(value));
  if (given.more_positional) {
    for (Value& value : to_items(runtime_, evaluate(*given.more_positional)))
      arguments.positional.push_back(std::move(value));
  }
  for (const auto& [name, value] : given.named) arguments.named.emplace_back(name, evaluate(value));
  if (given.more_named) {
    Value more = evaluate(*given.more_named);
    if (!more.is(Kind::dict)) fail("argument after ** must be a mapping, not ", type_name(more));
    for (const auto& [name, value] : more.as<Dict>().items()) {
      if (!name.is_string()) fail("keywords must be strings");
      const std::string& text = name.as<Str>().text.bytes;
      for (const auto& [other, earlier] : arguments.named)
        if (other == text) fail("got multiple values for keyword argument '", text, "'");
      arguments.named.emplace_back(text, value);
    }
  }
  return arguments;
}

Value Interpreter::call(const Value& callee, Arguments arguments) {
  Nesting nesting(runtime_);
  switch (callee.kind()) {
    case Kind::undefined: fail(callee.as<Undefined>().message);
    case Kind::native: {
      const BoundNative& bound = callee.as<BoundNative>();
      if (!bound.subject.is_missing())
        arguments.positional.insert(arguments.positional.begin(), bound.subject);
      return invoke(runtime_, bound.native, arguments);
    }
    case Kind::macro: return call_macro(callee, std::move(arguments));
    case Kind::loop: {
      Loop& loop = callee.as<Loop>();
      if (!loop.recurse)
        fail("The loop must have the 'recursive' marker to be called recursively.");
      if (arguments.positional.size() != 1 || !arguments.named.empty())
        fail("loop() takes exactly one argument");
      return loop.recurse(runtime_, arguments[0]);
    }
    case Kind::joiner: {
      Joiner& joiner = callee.as<Joiner>();
      return std::exchange(joiner.used, true) ? joiner.separator : make_string(runtime_, "");
    }
    default: fail("'", type_name(callee), "' object is not callable");
  }
}

Value Interpreter::call_macro(const Value& callee, Arguments arguments) {
  const Macro& macro = callee.as<Macro>();
  const ast::Callable& code = macro.callable;
  auto activation = runtime_.make<Activation>(code.function.n_slots * sizeof(Value), code.function,
                                              macro.closure);
  bind_parameters(code, *activation, arguments);
  Activated current(*this, activation);
  Capture output(*this);
  enter(code.scope);
  size_t first_default = code.parameters.size() - code.defaults.size();
  for (size_t i = 0; i < code.parameters.size(); ++i) {
    const auto& parameter = std::get<ast::Name>(code.parameters[i].node);
    if (!slot(parameter.place).is_missing()) continue;
    Value value =
        i >= first_default
            ? evaluate(code.defaults[i - first_default])
            : make_undefined(runtime_, concat("parameter '", parameter.name, "' was not provided"));
    slot(parameter.place) = std::move(value);
  }
  execute(code.body);
  return make_string(runtime_, std::move(output.text));
}

void Interpreter::bind_parameters(const ast::Callable& code, Activation& activation,
                                  Arguments& arguments) {
  auto take_named = [&](std::string_view name) {
    auto found = std::find_if(arguments.named.begin(), arguments.named.end(),
                              [&](const auto& argument) { return argument.first == name; });
    if (found == arguments.named.end()) return Value();
    Value value = std::move(found->second);
    arguments.named.erase(found);
    return value;
  };
  size_t n = code.parameters.size();
  size_t n_given = std::min(arguments.positional.size(), n);
  for (size_t i = 0; i < n; ++i) {
    const auto& parameter = std::get<ast::Name>(code.parameters[i].node);
    activation.slots[parameter.place.slot] =
        i < n_given ? std::move(arguments.positional[i]) : take_named(parameter.name);
  }
  if (code.caller_slot) {
    Value caller = take_named("caller");
    if (caller.is_missing() || caller.is_none())
      caller = make_undefined(runtime_, "No caller defined");
    activation.slots[*code.caller_slot] = std::move(caller);
  }
  if (code.kwargs_slot) {
    Ref<Dict> rest = make_dict(runtime_);
    for (auto& [name, value] : arguments.named)
      rest->set(runtime_, make_string(runtime_, name), std::move(value));
    activation.slots[*code.kwargs_slot] = rest;
  } else if (!arguments.named.empty()) {
    fail("macro '", code.name, "' takes no keyword argument '", arguments.named[0].first, "'");
  }
  if (code.varargs_slot)
    activation.slots[*code.varargs_slot] =
        make_tuple(runtime_, {arguments.positional.begin() + static_cast<ptrdiff_t>(n_given),
                              arguments.positional.end()});
  else if (arguments.positional.size() > n)
    fail("macro '", code.name, "' takes not more than ", std::to_string(n), " argument(s)");
}

}  // namespace hearth::jinja
