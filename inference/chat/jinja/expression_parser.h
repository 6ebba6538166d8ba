// The expression half of the parser: precedence from `x if c else y` down to literals.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "chat/jinja/ast.h"
#include "chat/jinja/lexer.h"
#include "chat/jinja/stack.h"

namespace hearth::jinja {

class ExpressionParser {
 protected:
  explicit ExpressionParser(std::vector<LexToken> tokens) : tokens_(std::move(tokens)) {}

  // Held by every production that can contain itself.
  class Depth {
   public:
    explicit Depth(ExpressionParser& parser);
    ~Depth() { --parser_.depth_; }
    Depth(const Depth&) = delete;

   private:
    ExpressionParser& parser_;
  };

  ast::Expr expression(bool with_conditional = true);
  // One expression, or several with commas; `ends` are the names that may follow a trailing comma.
  ast::Expr tuple(bool with_conditional = true, std::initializer_list<std::string_view> ends = {},
                  bool in_parentheses = false);
  // The left side of an assignment.
  ast::Expr target(std::initializer_list<std::string_view> ends, bool with_namespace = false);
  ast::Expr name_target(ast::Use use);
  void set_use(ast::Expr& expr, ast::Use use);
  // |name(arguments)|...; the first name follows directly if `inside`.
  ast::Box filters(ast::Box subject, bool inside = false);

  const LexToken& current() const { return tokens_[at_]; }
  const LexToken& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  LexToken take();
  bool is_name(std::string_view name) const;
  bool is_symbol(std::string_view symbol) const;
  bool skip_name(std::string_view name);
  bool skip_symbol(std::string_view symbol);
  void expect_name(std::string_view name);
  void expect_symbol(std::string_view symbol);
  LexToken expect(TokenKind kind, std::string_view what);
  [[noreturn]] void fail_here(std::string message) const;

  std::vector<ast::Literal> take_literals() { return std::move(literals_); }
  static ast::Box box(ast::Expr expr) { return std::make_unique<ast::Expr>(std::move(expr)); }

 private:
  ast::Expr conditional();
  ast::Expr disjunction();
  ast::Expr conjunction();
  ast::Expr inversion();
  ast::Expr comparison();
  ast::Expr sum();
  ast::Expr concatenation();
  ast::Expr product();
  ast::Expr power();
  ast::Expr unary(bool with_filters = true);
  ast::Expr primary(bool with_namespace = false);
  ast::Expr list();
  ast::Expr dictionary();
  ast::Expr postfix(ast::Expr expr);
  ast::Expr subscript(ast::Expr object);
  ast::Expr filters_and_tests(ast::Expr expr);
  ast::Expr call(ast::Expr callee);
  ast::Expr test(ast::Expr subject);
  std::variant<ast::Expr, ast::Slice> subscript_key();
  std::string dotted_name();
  ast::CallArguments arguments();

  // A node one higher than the highest of its parts.
  template <class Node>
  ast::Expr make(int line, uint32_t highest_part, Node node);
  uint32_t literal(ast::Literal value);

  std::vector<LexToken> tokens_;
  size_t at_ = 0;
  uint32_t depth_ = 0;
  const StackMeter stack_;
  std::vector<ast::Literal> literals_;
};

}  // namespace hearth::jinja
