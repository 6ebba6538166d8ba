#include "chat/jinja/parser.h"

#include "chat/jinja/expression_parser.h"
#include "chat/jinja/native.h"

namespace hearth::jinja {

namespace {

using namespace ast;

class Parser : ExpressionParser {
 public:
  explicit Parser(std::vector<LexToken> tokens) : ExpressionParser(std::move(tokens)) {}

  ast::Template run() {
    ast::Template parsed;
    parsed.body = body({});
    parsed.literals = take_literals();
    return parsed;
  }

 private:
  using Words = std::initializer_list<std::string_view>;

  // Statements until a tag that starts with one of `ends`; that word is the current token then.
  Body body(Words ends) {
    Depth depth(*this);
    Body statements;
    while (current().kind != TokenKind::end) {
      int line = current().line;
      switch (current().kind) {
        case TokenKind::data: statements.push_back({line, Data{take().text}}); break;
        case TokenKind::variable_begin:
          take();
          statements.push_back({line, Print{tuple()}});
          expect(TokenKind::variable_end, "end of print statement");
          break;
        default:
          expect(TokenKind::block_begin, "begin of statement block");
          for (std::string_view end : ends)
            if (is_name(end)) return statements;
          statement(statements, ends);
          expect(TokenKind::block_end, "end of statement block");
      }
    }
    if (ends.size() > 0)
      fail_here(
          concat("unexpected end of template, expected '", std::string(*(ends.end() - 1)), "'"));
    return statements;
  }

  // The rest of a tag, then a body up to one of `ends`, whose word is left current.
  Body block(Words ends) {
    skip_symbol(":");
    expect(TokenKind::block_end, "end of statement block");
    return body(ends);
  }
  // The same where there is only one end, which is taken.
  Body block_to(std::string_view end) {
    Body statements = block({end});
    take();
    return statements;
  }

  void statement(Body& out, Words ends) {
    if (current().kind != TokenKind::name) fail_here("tag name expected");
    int line = current().line;
    std::string tag = take().text;
    if (tag == "for") return add(out, line, for_loop());
    if (tag == "if") return add(out, line, if_statement());
    if (tag == "set") return set(out, line);
    if (tag == "macro") return add(out, line, macro());
    if (tag == "call") return add(out, line, call_block(line));
    if (tag == "generation") return add(out, line, generation());
    if (tag == "filter") return add(out, line, filter_block());
    if (tag == "with") return add(out, line, with());
    if (tag == "print") return print(out);
    if (tag == "block") return add(out, line, named_block());
    if (tag == "break") return add(out, line, Break{});
    if (tag == "continue") return add(out, line, Continue{});
    for (std::string_view refused : {"include", "import", "from", "extends", "autoescape"})
      if (tag == refused)
        fail_here(concat("the tag '", tag, "' is not supported in a chat template"));
    std::string expected = ends.size() > 0 ? concat(", expected '", *(ends.end() - 1), "'") : "";
    fail_here(concat("unknown tag '", tag, "'", expected));
  }

  template <class Node>
  static void add(Body& out, int line, Node node) {
    out.push_back({line, std::move(node)});
  }

  For for_loop() {
    For loop;
    loop.target = target({"in"});
    expect_name("in");
    loop.items = tuple(false, {"recursive"});
    if (skip_name("if")) loop.condition = box(expression());
    loop.recursive = skip_name("recursive");
    loop.body = block({"else", "endfor"});
    if (take().text == "else") loop.otherwise = block_to("endfor");
    return loop;
  }

  If if_statement() {
    If chosen;
    while (true) {
      Expr condition = tuple(false);
      chosen.branches.push_back({std::move(condition), block({"elif", "else", "endif"})});
      std::string end = take().text;
      if (end == "elif") continue;
      if (end == "else") chosen.otherwise = block_to("endif");
      return chosen;
    }
  }

  void set(Body& out, int line) {
    Expr assigned = target({}, true);
    if (skip_symbol("=")) return add(out, line, Set{std::move(assigned), tuple()});
    SetBlock block;
    block.target = std::move(assigned);
    block.filter = filters(nullptr);
    block.body = block_to("endset");
    add(out, line, std::move(block));
  }

  void signature(Callable& callable) {
    expect_symbol("(");
    while (!is_symbol(")")) {
      if (!callable.parameters.empty()) expect_symbol(",");
      Expr parameter = name_target(Use::parameter);
      callable.names_caller |= std::get<Name>(parameter.node).name == "caller";
      callable.parameters.push_back(std::move(parameter));
      if (skip_symbol("="))
        callable.defaults.push_back(expression());
      else if (!callable.defaults.empty())
        fail_here("non-default argument follows default argument");
    }
    expect_symbol(")");
  }

  Macro macro() {
    Macro macro{std::make_unique<Callable>(), {}};
    macro.callable->name = std::get<Name>(name_target(Use::store).node).name;
    signature(*macro.callable);
    macro.callable->body = block_to("endmacro");
    return macro;
  }

  CallBlock call_block(int line) {
    CallBlock block{nullptr, std::make_unique<Callable>()};
    if (is_symbol("(")) signature(*block.callable);
    block.call = box(expression());
    if (!std::holds_alternative<Call>(block.call->node))
      throw Failure{"expected a call in a call block", line, false};
    block.callable->body = block_to("endcall");
    return block;
  }

  CallBlock generation() {
    CallBlock block{nullptr, std::make_unique<Callable>()};
    block.callable->body = block_to("endgeneration");
    return block;
  }

  FilterBlock filter_block() {
    FilterBlock block;
    block.filter = filters(nullptr, true);
    block.body = block_to("endfilter");
    return block;
  }

  With with() {
    With with;
    while (current().kind != TokenKind::block_end) {
      if (!with.assignments.empty()) expect_symbol(",");
      Expr assigned = target({});
      set_use(assigned, Use::parameter);
      expect_symbol("=");
      with.assignments.push_back({std::move(assigned), expression()});
    }
    with.body = block_to("endwith");
    return with;
  }

  void print(Body& out) {
    bool first = true;
    while (current().kind != TokenKind::block_end) {
      if (!first) expect_symbol(",");
      first = false;
      int line = current().line;
      add(out, line, Print{expression()});
    }
  }

  Block named_block() {
    Block block;
    block.name = expect(TokenKind::name, "a block name").text;
    if (is_name("scoped") || is_name("required"))
      fail_here("block modifiers are not supported in a chat template");
    block.body = block_to("endblock");
    skip_name(block.name);
    return block;
  }
};

}  // namespace

ast::Template parse(std::string_view source) { return Parser(lex(source)).run(); }

}  // namespace hearth::jinja
