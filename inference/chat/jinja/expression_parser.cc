#include "chat/jinja/expression_parser.h"

#include <algorithm>

#include "chat/jinja/native.h"

namespace hearth::jinja {

using namespace ast;

namespace {

// Of blocks, brackets and signs together; Python, too, refuses a hundred blocks.
constexpr uint32_t kMaxNesting = 100;
// Of the tree: a chain of operators, each on the result of the one before.
constexpr uint32_t kMaxHeight = 200;
constexpr size_t kMaxStackBytes = 256u << 10;

std::string described(const LexToken& token) {
  switch (token.kind) {
    case TokenKind::data: return "template text";
    case TokenKind::block_begin: return "begin of statement block";
    case TokenKind::block_end: return "end of statement block";
    case TokenKind::variable_begin: return "begin of print statement";
    case TokenKind::variable_end: return "end of print statement";
    case TokenKind::string: return "string";
    case TokenKind::integer: return "integer";
    case TokenKind::real: return "float";
    case TokenKind::end: return "end of template";
    default: return token.text;
  }
}

uint32_t height_of(const Box& box) { return box ? box->height : 0; }
uint32_t height_of(const std::vector<Expr>& exprs) {
  uint32_t height = 0;
  for (const Expr& expr : exprs) height = std::max(height, expr.height);
  return height;
}
uint32_t height_of(const CallArguments& arguments) {
  uint32_t height = std::max({height_of(arguments.positional), height_of(arguments.more_positional),
                              height_of(arguments.more_named)});
  for (const auto& [name, value] : arguments.named) height = std::max(height, value.height);
  return height;
}

}  // namespace

ExpressionParser::Depth::Depth(ExpressionParser& parser) : parser_(parser) {
  if (parser_.depth_ >= kMaxNesting || parser_.stack_.used_bytes() > kMaxStackBytes)
    parser_.fail_here("the template nests too deeply");
  ++parser_.depth_;
}

LexToken ExpressionParser::take() {
  if (at_ + 1 == tokens_.size()) return tokens_[at_];
  return std::move(tokens_[at_++]);
}

bool ExpressionParser::is_name(std::string_view name) const {
  return current().kind == TokenKind::name && current().text == name;
}
bool ExpressionParser::is_symbol(std::string_view symbol) const {
  return current().kind == TokenKind::symbol && current().text == symbol;
}
bool ExpressionParser::skip_name(std::string_view name) {
  if (!is_name(name)) return false;
  take();
  return true;
}
bool ExpressionParser::skip_symbol(std::string_view symbol) {
  if (!is_symbol(symbol)) return false;
  take();
  return true;
}
void ExpressionParser::expect_name(std::string_view name) {
  if (!skip_name(name))
    fail_here(concat("expected '", std::string(name), "', got '", described(current()), "'"));
}
void ExpressionParser::expect_symbol(std::string_view symbol) {
  if (!skip_symbol(symbol))
    fail_here(concat("expected '", std::string(symbol), "', got '", described(current()), "'"));
}
LexToken ExpressionParser::expect(TokenKind kind, std::string_view what) {
  if (current().kind != kind)
    fail_here(concat("expected ", std::string(what), ", got '", described(current()), "'"));
  return take();
}
void ExpressionParser::fail_here(std::string message) const {
  throw Failure{std::move(message), current().line, false};
}

uint32_t ExpressionParser::literal(Literal value) {
  literals_.push_back(std::move(value));
  return static_cast<uint32_t>(literals_.size() - 1);
}

template <class Node>
Expr ExpressionParser::make(int line, uint32_t highest_part, Node node) {
  if (highest_part >= kMaxHeight) fail_here("an expression of the template is too long");
  return Expr{line, highest_part + 1, std::move(node)};
}

Expr ExpressionParser::expression(bool with_conditional) {
  return with_conditional ? conditional() : disjunction();
}

Expr ExpressionParser::conditional() {
  Depth depth(*this);
  int line = current().line;
  Expr result = disjunction();
  while (skip_name("if")) {
    Box condition = box(disjunction());
    Box otherwise = skip_name("else") ? box(conditional()) : nullptr;
    uint32_t height = std::max({result.height, condition->height, height_of(otherwise)});
    result = make(line, height,
                  Conditional{std::move(condition), box(std::move(result)), std::move(otherwise)});
  }
  return result;
}

Expr ExpressionParser::disjunction() {
  int line = current().line;
  Expr left = conjunction();
  while (skip_name("or")) {
    Expr right = conjunction();
    uint32_t height = std::max(left.height, right.height);
    left = make(line, height, Logical{false, box(std::move(left)), box(std::move(right))});
  }
  return left;
}

Expr ExpressionParser::conjunction() {
  int line = current().line;
  Expr left = inversion();
  while (skip_name("and")) {
    Expr right = inversion();
    uint32_t height = std::max(left.height, right.height);
    left = make(line, height, Logical{true, box(std::move(left)), box(std::move(right))});
  }
  return left;
}

Expr ExpressionParser::inversion() {
  int line = current().line;
  if (!skip_name("not")) return comparison();
  Depth depth(*this);
  Expr operand = inversion();
  uint32_t height = operand.height;
  return make(line, height, Unary{Unary::Operator::negation, box(std::move(operand))});
}

Expr ExpressionParser::comparison() {
  using Operator = Comparison::Operator;
  constexpr std::pair<std::string_view, Operator> kOperators[] = {
      {"==", Operator::equal},      {"!=", Operator::unequal}, {"<", Operator::less},
      {"<=", Operator::less_equal}, {">", Operator::greater},  {">=", Operator::greater_equal}};
  int line = current().line;
  Expr first = sum();
  std::vector<Operand> rest;
  uint32_t height = first.height;
  while (true) {
    std::optional<Operator> found;
    for (auto [symbol, operation] : kOperators)
      if (is_symbol(symbol)) found = operation;
    if (is_name("in")) found = Operator::in;
    if (is_name("not") && next().kind == TokenKind::name && next().text == "in") {
      take();
      found = Operator::not_in;
    }
    if (!found) break;
    take();
    rest.push_back({*found, sum()});
    height = std::max(height, rest.back().value.height);
  }
  if (rest.empty()) return first;
  return make(line, height, Comparison{box(std::move(first)), std::move(rest)});
}

Expr ExpressionParser::sum() {
  int line = current().line;
  Expr left = concatenation();
  while (is_symbol("+") || is_symbol("-")) {
    auto operation = take().text == "+" ? BinaryOperator::add : BinaryOperator::subtract;
    Expr right = concatenation();
    uint32_t height = std::max(left.height, right.height);
    left = make(line, height, Binary{operation, box(std::move(left)), box(std::move(right))});
  }
  return left;
}

Expr ExpressionParser::concatenation() {
  int line = current().line;
  Expr first = product();
  if (!is_symbol("~")) return first;
  std::vector<Expr> parts;
  parts.push_back(std::move(first));
  while (skip_symbol("~")) parts.push_back(product());
  uint32_t height = height_of(parts);
  return make(line, height, Concatenation{std::move(parts)});
}

Expr ExpressionParser::product() {
  constexpr std::pair<std::string_view, BinaryOperator> kOperators[] = {
      {"*", BinaryOperator::multiply},
      {"/", BinaryOperator::divide},
      {"//", BinaryOperator::floor_divide},
      {"%", BinaryOperator::modulo}};
  int line = current().line;
  Expr left = power();
  while (true) {
    std::optional<BinaryOperator> found;
    for (auto [symbol, operation] : kOperators)
      if (is_symbol(symbol)) found = operation;
    if (!found) return left;
    take();
    Expr right = power();
    uint32_t height = std::max(left.height, right.height);
    left = make(line, height, Binary{*found, box(std::move(left)), box(std::move(right))});
  }
}

Expr ExpressionParser::power() {  // to the left, unlike Python's
  int line = current().line;
  Expr left = unary();
  while (skip_symbol("**")) {
    Expr right = unary();
    uint32_t height = std::max(left.height, right.height);
    left = make(line, height,
                Binary{BinaryOperator::power, box(std::move(left)), box(std::move(right))});
  }
  return left;
}

// A sign binds tighter than filters: -1|abs is 1.
Expr ExpressionParser::unary(bool with_filters) {
  Depth depth(*this);
  int line = current().line;
  Expr result;
  if (is_symbol("-") || is_symbol("+")) {
    auto operation = take().text == "-" ? Unary::Operator::minus : Unary::Operator::plus;
    Expr operand = unary(false);
    uint32_t height = operand.height;
    result = make(line, height, Unary{operation, box(std::move(operand))});
  } else {
    result = primary();
  }
  result = postfix(std::move(result));
  return with_filters ? filters_and_tests(std::move(result)) : std::move(result);
}

Expr ExpressionParser::primary(bool with_namespace) {
  int line = current().line;
  switch (current().kind) {
    case TokenKind::name: {
      std::string name = take().text;
      if (name == "true" || name == "True") return make(line, 0, Constant{literal(true)});
      if (name == "false" || name == "False") return make(line, 0, Constant{literal(false)});
      if (name == "none" || name == "None") return make(line, 0, Constant{literal({})});
      if (!with_namespace || !skip_symbol("."))
        return make(line, 0, Name{std::move(name), Use::load, {}});
      uint32_t attribute = literal(expect(TokenKind::name, "an attribute name").text);
      return make(line, 0, NamespaceTarget{std::move(name), attribute, {}});
    }
    case TokenKind::string: {
      std::string text = take().text;
      while (current().kind == TokenKind::string) text += take().text;
      return make(line, 0, Constant{literal(std::move(text))});
    }
    case TokenKind::integer: return make(line, 0, Constant{literal(take().integer)});
    case TokenKind::real: return make(line, 0, Constant{literal(take().real)});
    default: break;
  }
  if (skip_symbol("(")) {
    Expr inner = tuple(true, {}, true);
    expect_symbol(")");
    return inner;
  }
  if (is_symbol("[")) return list();
  if (is_symbol("{")) return dictionary();
  fail_here(concat("unexpected '", described(current()), "'"));
}

Expr ExpressionParser::tuple(bool with_conditional, std::initializer_list<std::string_view> ends,
                             bool in_parentheses) {
  int line = current().line;
  auto at_end = [&] {
    if (current().kind == TokenKind::variable_end || current().kind == TokenKind::block_end ||
        is_symbol(")"))
      return true;
    return std::any_of(ends.begin(), ends.end(), [&](auto end) { return is_name(end); });
  };
  std::vector<Expr> items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) expect_symbol(",");
    if (at_end()) break;
    items.push_back(expression(with_conditional));
    if (!is_symbol(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!in_parentheses)
      fail_here(concat("expected an expression, got '", described(current()), "'"));
  }
  uint32_t height = height_of(items);
  return make(line, height, Tuple{std::move(items)});
}

Expr ExpressionParser::target(std::initializer_list<std::string_view> ends, bool with_namespace) {
  int line = current().line;
  std::vector<Expr> items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) expect_symbol(",");
    bool ended = std::any_of(ends.begin(), ends.end(), [&](auto end) { return is_name(end); });
    if (ended || current().kind == TokenKind::block_end) break;
    items.push_back(primary(with_namespace));
    if (!is_symbol(",")) break;
    is_tuple = true;
  }
  if (items.empty()) fail_here("expected a name to assign to");
  uint32_t height = height_of(items);
  Expr result = is_tuple ? make(line, height, Tuple{std::move(items)}) : std::move(items[0]);
  set_use(result, Use::store);
  return result;
}

Expr ExpressionParser::name_target(Use use) {
  int line = current().line;
  Expr name = make(line, 0, Name{expect(TokenKind::name, "a name").text, use, {}});
  for (std::string_view constant : {"true", "false", "none", "True", "False", "None"})
    if (std::get<Name>(name.node).name == constant)
      fail_here(concat("can't assign to ", std::string(constant)));
  return name;
}

void ExpressionParser::set_use(Expr& expr, Use use) {
  if (Name* name = std::get_if<Name>(&expr.node)) {
    name->use = use;
  } else if (Tuple* items = std::get_if<Tuple>(&expr.node)) {
    for (Expr& item : items->items) set_use(item, use);
  } else if (!std::holds_alternative<NamespaceTarget>(expr.node)) {
    throw Failure{"can't assign to this expression", expr.line, false};
  }
}

Expr ExpressionParser::list() {
  int line = current().line;
  expect_symbol("[");
  std::vector<Expr> items;
  while (!is_symbol("]")) {
    if (!items.empty()) expect_symbol(",");
    if (is_symbol("]")) break;
    items.push_back(expression());
  }
  expect_symbol("]");
  uint32_t height = height_of(items);
  return make(line, height, List{std::move(items)});
}

Expr ExpressionParser::dictionary() {
  int line = current().line;
  expect_symbol("{");
  std::vector<Pair> items;
  uint32_t height = 0;
  while (!is_symbol("}")) {
    if (!items.empty()) expect_symbol(",");
    if (is_symbol("}")) break;
    Expr key = expression();
    expect_symbol(":");
    Expr value = expression();
    height = std::max({height, key.height, value.height});
    items.push_back({std::move(key), std::move(value)});
  }
  expect_symbol("}");
  return make(line, height, Dictionary{std::move(items)});
}

Expr ExpressionParser::postfix(Expr expr) {
  while (true) {
    if (is_symbol(".") || is_symbol("["))
      expr = subscript(std::move(expr));
    else if (is_symbol("("))
      expr = call(std::move(expr));
    else
      return expr;
  }
}

Expr ExpressionParser::filters_and_tests(Expr expr) {
  while (true) {
    if (is_symbol("|"))
      expr = std::move(*filters(box(std::move(expr))));
    else if (is_name("is"))
      expr = test(std::move(expr));
    else if (is_symbol("("))
      expr = call(std::move(expr));
    else
      return expr;
  }
}

Expr ExpressionParser::subscript(Expr object) {
  int line = current().line;
  uint32_t height = object.height;
  if (skip_symbol(".")) {
    if (current().kind == TokenKind::integer) {
      Expr key = make(line, 0, Constant{literal(take().integer)});
      return make(line, height, Item{box(std::move(object)), box(std::move(key))});
    }
    uint32_t name = literal(expect(TokenKind::name, "a name or number").text);
    return make(line, height, Attribute{box(std::move(object)), name});
  }
  expect_symbol("[");
  std::vector<Expr> keys;
  std::optional<Slice> slice;
  while (!is_symbol("]")) {
    if (!keys.empty() || slice) expect_symbol(",");
    auto key = subscript_key();
    if (slice || (!keys.empty() && std::holds_alternative<Slice>(key)))
      fail_here("a slice must stand alone in a subscript");
    if (Expr* expr = std::get_if<Expr>(&key))
      keys.push_back(std::move(*expr));
    else
      slice = std::move(std::get<Slice>(key));
  }
  expect_symbol("]");
  if (slice) {
    height =
        std::max({height, height_of(slice->start), height_of(slice->stop), height_of(slice->step)});
    return make(line, height, Item{box(std::move(object)), std::move(*slice)});
  }
  uint32_t key_height = height_of(keys);
  Expr key = keys.size() == 1 ? std::move(keys[0]) : make(line, key_height, Tuple{std::move(keys)});
  return make(line, std::max(height, key.height),
              Item{box(std::move(object)), box(std::move(key))});
}

std::variant<Expr, Slice> ExpressionParser::subscript_key() {
  Slice slice;
  if (!is_symbol(":")) {
    Expr first = expression();
    if (!is_symbol(":")) return first;
    slice.start = box(std::move(first));
  }
  expect_symbol(":");
  auto absent = [&] { return is_symbol("]") || is_symbol(",") || is_symbol(":"); };
  if (!absent()) slice.stop = box(expression());
  if (skip_symbol(":") && !absent()) slice.step = box(expression());
  return slice;
}

CallArguments ExpressionParser::arguments() {
  CallArguments given;
  expect_symbol("(");
  auto ensure = [&](bool allowed) {
    if (!allowed) fail_here("invalid syntax for function call expression");
  };
  bool first = true;
  while (!is_symbol(")")) {
    if (!first) {
      expect_symbol(",");
      if (is_symbol(")")) break;
    }
    first = false;
    if (skip_symbol("*")) {
      ensure(!given.more_positional && !given.more_named);
      given.more_positional = box(expression());
    } else if (skip_symbol("**")) {
      ensure(!given.more_named);
      given.more_named = box(expression());
    } else if (current().kind == TokenKind::name && next().kind == TokenKind::symbol &&
               next().text == "=") {
      ensure(!given.more_named);
      std::string name = take().text;
      take();
      for (const auto& [other, value] : given.named)
        if (other == name) fail_here(concat("keyword argument repeated: ", name));
      given.named.push_back({std::move(name), expression()});
    } else {
      ensure(!given.more_positional && !given.more_named && given.named.empty());
      given.positional.push_back(expression());
    }
  }
  expect_symbol(")");
  return given;
}

Expr ExpressionParser::call(Expr callee) {
  int line = current().line;
  CallArguments given = arguments();
  uint32_t height = std::max(callee.height, height_of(given));
  return make(line, height, Call{box(std::move(callee)), std::move(given)});
}

std::string ExpressionParser::dotted_name() {
  std::string name = expect(TokenKind::name, "a name").text;
  while (skip_symbol(".")) name += "." + expect(TokenKind::name, "a name").text;
  return name;
}

Box ExpressionParser::filters(Box subject, bool inside) {
  while (inside || skip_symbol("|")) {
    inside = false;
    int line = current().line;
    std::string name = dotted_name();
    CallArguments given;
    if (is_symbol("(")) given = arguments();
    const Native* native = find_filter(name);
    uint32_t height = std::max(height_of(subject), height_of(given));
    subject = box(
        make(line, height, Filter{std::move(subject), std::move(name), native, std::move(given)}));
  }
  return subject;
}

Expr ExpressionParser::test(Expr subject) {
  int line = current().line;
  expect_name("is");
  bool negated = skip_name("not");
  std::string name = dotted_name();
  CallArguments given;
  bool value_follows = current().kind == TokenKind::name || current().kind == TokenKind::string ||
                       current().kind == TokenKind::integer || current().kind == TokenKind::real ||
                       is_symbol("[") || is_symbol("{");
  if (is_symbol("(")) {
    given = arguments();
  } else if (value_follows && !is_name("else") && !is_name("or") && !is_name("and")) {
    if (is_name("is")) fail_here("You cannot chain multiple tests with is");
    given.positional.push_back(postfix(primary()));
  }
  const Native* native = find_test(name);
  uint32_t height = std::max(subject.height, height_of(given));
  Expr result =
      make(line, height, Test{box(std::move(subject)), std::move(name), native, std::move(given)});
  if (!negated) return result;
  height = result.height;
  return make(line, height, Unary{Unary::Operator::negation, box(std::move(result))});
}

}  // namespace hearth::jinja
