// Jinja decides at compile time what a name means, and templates depend on its decisions:
//
//   - A scope is the template, a macro, a loop's body, a `with`, a captured block; `if` is not one.
//   - A name that a scope assigns anywhere in it is that scope's own from its beginning on. It
//     starts as a copy of the enclosing scope's variable, when that has one; else unset, unless the
//     scope reads it before (in the text) or assigns it only in some branch: then it starts as the
//     template variable of that name. So after {% set x %}{{ x }}{% endset %} at top level, the
//     inner x was undefined even when the template was given an x.
//   - What a loop assigns is forgotten at the end of each round, hence namespace().
//
// The analysis walks each scope once in textual order, without entering scopes inside it, and notes
// loads and stores; branches of an `if` are walked as overlays on what came before and merged. Then
// names are bound, and scopes inside are analysed in turn. Linear in the size of the template times
// the depth of its nesting.
//
// Source: the behaviour of Jinja 3.1's symbol tracking, checked against it by the golden tests.
#include "chat/jinja/scope.h"

#include <map>
#include <set>

#include "chat/jinja/walk.h"

namespace hearth::jinja {

namespace {

using namespace ast;

// A variable, by the depth of the function that holds it.
struct Variable {
  uint32_t depth = 0;
  uint32_t slot = 0;
};

class Symbols {
 public:
  Symbols(const Symbols* outer, Function& function, uint32_t depth)
      : outer_(outer), function_(&function), depth_(depth), slots_(&own_slots_) {}
  // One branch of an `if`.
  struct BranchOf {
    Symbols& before;
  };
  explicit Symbols(BranchOf branch)
      : before_(&branch.before),
        outer_(before_->outer_),
        function_(before_->function_),
        depth_(before_->depth_),
        slots_(before_->slots_) {}
  Symbols(const Symbols&) = delete;

  uint32_t depth() const { return depth_; }
  Function& function() const { return *function_; }

  std::optional<Variable> find(const std::string& name) const {
    for (const Symbols* layer = this; layer; layer = layer->before_)
      if (auto found = layer->variables_.find(name); found != layer->variables_.end())
        return found->second;
    return outer_ ? outer_->find(name) : std::nullopt;
  }

  void load(const std::string& name) {
    if (!find(name)) define(name, Entry{0, Entry::From::variables, name, {}});
  }

  void store(const std::string& name) {
    stores_.insert(name);
    if (is_own(name)) return;
    auto outer = outer_ ? outer_->find(name) : std::nullopt;
    if (outer)
      define(name, Entry{0, Entry::From::outer, {}, place(*outer)});
    else
      define(name, Entry{0, Entry::From::nothing, {}, {}});
  }

  uint32_t declare_parameter(const std::string& name) {
    stores_.insert(name);
    Variable variable{depth_, slot_of(name)};
    variables_[name] = variable;
    entries_.erase(variable.slot);
    return variable.slot;
  }

  void merge(std::vector<Symbols*> branches) {
    std::set<std::string> assigned;
    for (Symbols* branch : branches)
      for (const std::string& name : branch->stores_)
        if (!is_stored(name)) assigned.insert(name);
    for (Symbols* branch : branches) {
      for (auto& [name, variable] : branch->variables_) variables_[name] = variable;
      for (auto& [slot, entry] : branch->entries_) entries_[slot] = entry;
      stores_.insert(branch->stores_.begin(), branch->stores_.end());
    }
    for (const std::string& name : assigned) {
      uint32_t slot = find(name)->slot;
      auto outer = outer_ ? outer_->find(name) : std::nullopt;
      entries_[slot] = outer ? Entry{slot, Entry::From::outer, {}, place(*outer)}
                             : Entry{slot, Entry::From::variables, name, {}};
    }
  }

  Place place(Variable variable) const { return {depth_ - variable.depth, variable.slot}; }

  Scope scope() const {
    Scope scope;
    for (const auto& [slot, entry] : entries_) scope.entries.push_back(entry);
    return scope;
  }
  const std::set<std::string>& stores() const { return stores_; }

 private:
  bool is_own(const std::string& name) const {
    for (const Symbols* layer = this; layer; layer = layer->before_)
      if (layer->variables_.contains(name)) return true;
    return false;
  }
  bool is_stored(const std::string& name) const {
    for (const Symbols* layer = this; layer; layer = layer->before_)
      if (layer->stores_.contains(name)) return true;
    return false;
  }
  uint32_t slot_of(const std::string& name) {
    auto [slot, is_new] = slots_->try_emplace(name, function_->n_slots);
    if (is_new) ++function_->n_slots;
    return slot->second;
  }
  void define(const std::string& name, Entry entry) {
    entry.slot = slot_of(name);
    variables_[name] = {depth_, entry.slot};
    entries_[entry.slot] = std::move(entry);
  }

  Symbols* before_ = nullptr;       // what this branch adds to
  const Symbols* outer_ = nullptr;  // the enclosing scope
  Function* function_;
  uint32_t depth_;
  std::map<std::string, uint32_t> own_slots_;
  std::map<std::string, uint32_t>* slots_;  // shared by the branches of a scope
  std::map<std::string, Variable> variables_;
  std::map<uint32_t, Entry> entries_;
  std::set<std::string> stores_;
};

// Loads and stores of one scope.
class Analysis {
 public:
  explicit Analysis(Symbols& symbols) : symbols_(&symbols) {}

  void body(const Body& statements) {
    for (const Stmt& stmt : statements) statement(stmt);
  }

  void expression(const Expr& expr) {
    if (const Name* name = std::get_if<Name>(&expr.node)) {
      if (name->use == Use::load) symbols_->load(name->name);
      if (name->use == Use::store) symbols_->store(name->name);
      if (name->use == Use::parameter) symbols_->declare_parameter(name->name);
    } else if (const auto* target = std::get_if<NamespaceTarget>(&expr.node)) {
      symbols_->load(target->name);
    } else {
      for_each_part(expr, [&](const Expr& part) { expression(part); });
    }
  }

  // The targets of a loop are set anew each round, like parameters.
  void parameters(const Expr& target) {
    if (const Name* name = std::get_if<Name>(&target.node))
      symbols_->declare_parameter(name->name);
    else
      for_each_part(target, [&](const Expr& part) { parameters(part); });
  }

 private:
  void statement(const Stmt& stmt) {
    std::visit([&](const auto& node) { visit(node); }, stmt.node);
  }
  void visit(const Data&) {}
  void visit(const Print& node) { expression(node.value); }
  void visit(const If& node) { branches(node); }
  void visit(const For& node) { expression(node.items); }
  void visit(const Set& node) {
    expression(node.value);
    expression(node.target);
  }
  void visit(const SetBlock& node) { expression(node.target); }
  void visit(const ast::Macro& node) { symbols_->store(node.callable->name); }
  void visit(const CallBlock& node) {
    if (node.call) expression(*node.call);
  }
  void visit(const FilterBlock& node) { expression(*node.filter); }
  void visit(const With& node) {
    for (const auto& [target, value] : node.assignments) expression(value);
  }
  void visit(const Block&) {}
  void visit(const Break&) {}
  void visit(const Continue&) {}

  // if a / elif b / elif c / else: a's condition in this scope; then three overlays side by side:
  // a's body, all the elifs one after the other, and else.
  void branches(const If& node) {
    expression(node.branches[0].condition);
    Symbols::BranchOf branch_of{*symbols_};
    Symbols then(branch_of), others(branch_of), otherwise(branch_of);
    Analysis(then).body(node.branches[0].body);
    for (size_t i = 1; i < node.branches.size(); ++i) {
      Analysis(others).expression(node.branches[i].condition);
      Symbols branch(Symbols::BranchOf{others});
      Analysis(branch).body(node.branches[i].body);
      others.merge({&branch});
    }
    Analysis(otherwise).body(node.otherwise);
    symbols_->merge({&then, &others, &otherwise});
  }

  Symbols* symbols_;
};

// Which of `names` a body reads without having assigned them, in textual order.
std::set<std::string> undeclared(const Body& body, std::set<std::string> names) {
  std::set<std::string> found;
  for_each_name(body, [&](const Name& name) {
    if (name.use == Use::load && names.contains(name.name))
      found.insert(name.name);
    else
      names.erase(name.name);
  });
  return found;
}

struct Frame {
  Symbols& symbols;
  bool in_conditional = false;  // unknown filters are an error only when reached
  bool in_loop = false;         // break and continue may stand here
  bool in_for = false;          // `loop` is taken

  Frame inner(Symbols& inside) const { return {inside, false, in_loop, in_for}; }
};

class Binder {
 public:
  void bind(ast::Template& parsed) {
    Symbols symbols(nullptr, parsed.function, 0);
    Analysis(symbols).body(parsed.body);
    Frame frame{symbols};
    body(parsed.body, frame);
    parsed.scope = symbols.scope();
    for (const std::string& name : symbols.stores())
      parsed.exports.emplace(name, symbols.find(name)->slot);
  }

 private:
  void body(Body& statements, const Frame& frame) {
    for (Stmt& stmt : statements) {
      line_ = stmt.line;
      std::visit([&](auto& node) { visit(node, frame); }, stmt.node);
    }
  }

  void expression(Expr& expr, const Frame& frame) {
    if (Name* name = std::get_if<Name>(&expr.node)) {
      if (name->use == Use::store && name->name == "loop" && frame.in_for)
        fail_at(expr.line, "Can't assign to special loop variable in for-loop target");
      name->place = place_of(name->name, frame);
      return;
    }
    if (auto* target = std::get_if<NamespaceTarget>(&expr.node)) {
      target->place = place_of(target->name, frame);
      return;
    }
    Frame inside = frame;
    inside.in_conditional |= std::holds_alternative<Conditional>(expr.node);
    if (auto* filter = std::get_if<Filter>(&expr.node); filter && !filter->native)
      unknown("filter", filter->name, expr.line, frame);
    if (auto* test = std::get_if<Test>(&expr.node); test && !test->native)
      unknown("test", test->name, expr.line, frame);
    for_each_part(expr, [&](Expr& part) { expression(part, inside); });
  }

  Place place_of(const std::string& name, const Frame& frame) {
    auto variable = frame.symbols.find(name);
    if (!variable) fail_at(line_, concat("the name '", name, "' cannot be used here"));
    return frame.symbols.place(*variable);
  }

  void unknown(const char* what, const std::string& name, int line, const Frame& frame) {
    if (!frame.in_conditional) fail_at(line, concat("No ", what, " named '", name, "'."));
  }

  void visit(Data&, const Frame&) {}
  void visit(Print& node, const Frame& frame) { expression(node.value, frame); }
  void visit(Set& node, const Frame& frame) {
    expression(node.value, frame);
    expression(node.target, frame);
  }
  void visit(Break&, const Frame& frame) { loop_control(frame); }
  void visit(Continue&, const Frame& frame) { loop_control(frame); }
  void loop_control(const Frame& frame) {
    if (!frame.in_loop) fail_at(line_, "break and continue must stand in a loop");
  }

  void visit(If& node, const Frame& frame) {
    Frame soft = frame;
    soft.in_conditional = true;
    for (If::Branch& branch : node.branches) {
      expression(branch.condition, soft);
      body(branch.body, soft);
    }
    body(node.otherwise, soft);
  }

  void visit(For& node, const Frame& frame) {
    expression(node.items, frame);
    Function& function = node.recursive ? node.function : frame.symbols.function();
    uint32_t depth = frame.symbols.depth() + node.recursive;

    Symbols inside(&frame.symbols, function, depth);
    node.loop_slot = inside.declare_parameter("loop");
    Analysis(inside).parameters(node.target);
    Analysis(inside).body(node.body);
    Frame loop{inside, false, true, true};
    expression(node.target, loop);
    body(node.body, loop);
    node.body_scope = inside.scope();

    if (node.condition) {
      Symbols filter(&frame.symbols, function, depth);
      node.condition_target = clone_target(node.target);
      Analysis(filter).parameters(node.condition_target);
      Analysis(filter).expression(*node.condition);
      Frame test = frame.inner(filter);
      expression(node.condition_target, test);
      expression(*node.condition, test);
      node.condition_scope = filter.scope();
    }

    Symbols otherwise(&frame.symbols, function, depth);
    Analysis(otherwise).body(node.otherwise);
    Frame otherwise_frame{otherwise, false, frame.in_loop && !node.recursive, true};
    body(node.otherwise, otherwise_frame);
    node.else_scope = otherwise.scope();
  }

  void visit(SetBlock& node, const Frame& frame) {
    Symbols inside(&frame.symbols, frame.symbols.function(), frame.symbols.depth());
    Analysis(inside).body(node.body);
    if (node.filter) Analysis(inside).expression(*node.filter);
    Frame block = frame.inner(inside);
    body(node.body, block);
    if (node.filter) expression(*node.filter, block);
    node.scope = inside.scope();
    expression(node.target, frame);
  }

  void visit(FilterBlock& node, const Frame& frame) {
    Symbols inside(&frame.symbols, frame.symbols.function(), frame.symbols.depth());
    Analysis(inside).body(node.body);
    Analysis(inside).expression(*node.filter);
    Frame block = frame.inner(inside);
    body(node.body, block);
    expression(*node.filter, block);
    node.scope = inside.scope();
  }

  void visit(With& node, const Frame& frame) {
    Symbols inside(&frame.symbols, frame.symbols.function(), frame.symbols.depth());
    for (auto& [target, value] : node.assignments) Analysis(inside).expression(target);
    Analysis(inside).body(node.body);
    Frame block = frame.inner(inside);
    for (auto& [target, value] : node.assignments) {
      expression(value, frame);
      expression(target, block);
    }
    body(node.body, block);
    node.scope = inside.scope();
  }

  void visit(Block& node, const Frame& frame) {
    if (!blocks_.insert(node.name).second)
      fail_at(line_, concat("block '", node.name, "' defined twice"));
    Symbols inside(nullptr, node.function, 0);
    Analysis(inside).body(node.body);
    Frame block{inside, false, false, frame.in_for};
    body(node.body, block);
    node.scope = inside.scope();
  }

  void visit(ast::Macro& node, const Frame& frame) {
    callable(*node.callable, frame);
    node.place = place_of(node.callable->name, frame);
  }

  void visit(CallBlock& node, const Frame& frame) {
    callable(*node.callable, frame);
    if (node.call) expression(*node.call, frame);
  }

  void callable(Callable& node, const Frame& frame) {
    Symbols inside(&frame.symbols, node.function, frame.symbols.depth() + 1);
    Analysis analysis(inside);
    for (const Expr& parameter : node.parameters) analysis.expression(parameter);
    for (const Expr& value : node.defaults) analysis.expression(value);
    analysis.body(node.body);
    special_parameters(node, inside);
    Frame block{inside, false, false, frame.in_for};
    for (Expr& parameter : node.parameters) expression(parameter, block);
    for (Expr& value : node.defaults) expression(value, block);
    body(node.body, block);
    node.scope = inside.scope();
  }

  // caller, kwargs and varargs exist in a macro that mentions them.
  void special_parameters(Callable& node, Symbols& symbols) {
    std::set<std::string> used = undeclared(node.body, {"caller", "kwargs", "varargs"});
    size_t first_default = node.parameters.size() - node.defaults.size();
    for (size_t i = 0; i < node.parameters.size(); ++i) {
      const std::string& name = std::get<Name>(node.parameters[i].node).name;
      if (name == "caller" && used.contains(name) && i < first_default)
        fail_at(line_, "the special \"caller\" argument must be omitted or be given a default");
      used.erase(name);
    }
    if (used.contains("caller")) node.caller_slot = symbols.declare_parameter("caller");
    if (used.contains("kwargs")) node.kwargs_slot = symbols.declare_parameter("kwargs");
    if (used.contains("varargs")) node.varargs_slot = symbols.declare_parameter("varargs");
  }

  static Expr clone_target(const Expr& target) {
    Expr copy;
    copy.line = target.line;
    copy.height = target.height;
    if (const auto* name = std::get_if<Name>(&target.node)) {
      copy.node = *name;
    } else if (const auto* items = std::get_if<Tuple>(&target.node)) {
      Tuple tuple;
      for (const Expr& item : items->items) tuple.items.push_back(clone_target(item));
      copy.node = std::move(tuple);
    }
    return copy;
  }

  [[noreturn]] static void fail_at(int line, std::string message) {
    throw Failure{std::move(message), line, false};
  }

  int line_ = 0;
  std::set<std::string> blocks_;
};

}  // namespace

void bind_names(ast::Template& parsed) { Binder().bind(parsed); }

}  // namespace hearth::jinja
