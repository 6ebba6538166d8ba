// Walking the tree without caring what each node means, in Jinja's order of a node's parts.
#pragma once

#include <type_traits>

#include "chat/jinja/ast.h"

namespace hearth::jinja {

namespace detail {

using namespace ast;

void parts(auto& node, auto&& visit)
  requires std::is_same_v<std::remove_const_t<std::remove_reference_t<decltype(node)>>,
                          CallArguments>
{
  for (auto& value : node.positional) visit(value);
  for (auto& [name, value] : node.named) visit(value);
  if (node.more_positional) visit(*node.more_positional);
  if (node.more_named) visit(*node.more_named);
}

// Calls `visit` for each direct part. One body for const and mutable trees.
struct Parts {
  auto operator()(auto& node, auto& visit) const {
    using Node = std::remove_const_t<std::remove_reference_t<decltype(node)>>;
    auto maybe = [&](auto& box) {
      if (box) visit(*box);
    };
    if constexpr (std::is_same_v<Node, List> || std::is_same_v<Node, Tuple>) {
      for (auto& item : node.items) visit(item);
    } else if constexpr (std::is_same_v<Node, Dictionary>) {
      for (auto& [key, value] : node.items) {
        visit(key);
        visit(value);
      }
    } else if constexpr (std::is_same_v<Node, Unary>) {
      visit(*node.operand);
    } else if constexpr (std::is_same_v<Node, Binary> || std::is_same_v<Node, Logical>) {
      visit(*node.left);
      visit(*node.right);
    } else if constexpr (std::is_same_v<Node, Concatenation>) {
      for (auto& part : node.parts) visit(part);
    } else if constexpr (std::is_same_v<Node, Comparison>) {
      visit(*node.first);
      for (auto& [operation, operand] : node.rest) visit(operand);
    } else if constexpr (std::is_same_v<Node, Conditional>) {
      visit(*node.condition);
      visit(*node.then);
      maybe(node.otherwise);
    } else if constexpr (std::is_same_v<Node, Attribute>) {
      visit(*node.object);
    } else if constexpr (std::is_same_v<Node, Item>) {
      visit(*node.object);
      if (auto* key = std::get_if<Box>(&node.key)) {
        visit(**key);
      } else {
        auto& slice = std::get<Slice>(node.key);
        maybe(slice.start);
        maybe(slice.stop);
        maybe(slice.step);
      }
    } else if constexpr (std::is_same_v<Node, Call>) {
      visit(*node.callee);
      parts(node.arguments, visit);
    } else if constexpr (std::is_same_v<Node, Filter> || std::is_same_v<Node, Test>) {
      maybe(node.subject);
      parts(node.arguments, visit);
    }
  }
};

}  // namespace detail

template <class E, class Visit>
  requires std::is_same_v<std::remove_const_t<E>, ast::Expr>
void for_each_part(E& expr, Visit visit) {
  std::visit([&](auto& node) { detail::Parts{}(node, visit); }, expr.node);
}

// Every Name of a body, however deep; blocks are left out.
template <class Visit>
void for_each_name(const ast::Body& body, Visit&& visit);

template <class Visit>
void for_each_name(const ast::Expr& expr, Visit&& visit) {
  if (const auto* name = std::get_if<ast::Name>(&expr.node)) return visit(*name);
  for_each_part(expr, [&](const ast::Expr& part) { for_each_name(part, visit); });
}

namespace detail {

struct Names {
  auto operator()(const auto& node, auto& visit) const {
    using Node = std::remove_const_t<std::remove_reference_t<decltype(node)>>;
    auto callable = [&](const Callable& code) {
      for (const Expr& parameter : code.parameters) for_each_name(parameter, visit);
      for (const Expr& value : code.defaults) for_each_name(value, visit);
      for_each_name(code.body, visit);
    };
    if constexpr (std::is_same_v<Node, Print>) {
      for_each_name(node.value, visit);
    } else if constexpr (std::is_same_v<Node, If>) {
      for (const If::Branch& branch : node.branches) {
        for_each_name(branch.condition, visit);
        for_each_name(branch.body, visit);
      }
      for_each_name(node.otherwise, visit);
    } else if constexpr (std::is_same_v<Node, For>) {
      for_each_name(node.target, visit);
      for_each_name(node.items, visit);
      for_each_name(node.body, visit);
      for_each_name(node.otherwise, visit);
      if (node.condition) for_each_name(*node.condition, visit);
    } else if constexpr (std::is_same_v<Node, Set>) {
      for_each_name(node.target, visit);
      for_each_name(node.value, visit);
    } else if constexpr (std::is_same_v<Node, SetBlock>) {
      for_each_name(node.target, visit);
      if (node.filter) for_each_name(*node.filter, visit);
      for_each_name(node.body, visit);
    } else if constexpr (std::is_same_v<Node, ast::Macro>) {
      callable(*node.callable);
    } else if constexpr (std::is_same_v<Node, CallBlock>) {
      if (node.call) for_each_name(*node.call, visit);
      callable(*node.callable);
    } else if constexpr (std::is_same_v<Node, FilterBlock>) {
      for_each_name(node.body, visit);
      for_each_name(*node.filter, visit);
    } else if constexpr (std::is_same_v<Node, With>) {
      for (const auto& [target, value] : node.assignments) for_each_name(target, visit);
      for (const auto& [target, value] : node.assignments) for_each_name(value, visit);
      for_each_name(node.body, visit);
    }
  }
};

}  // namespace detail

template <class Visit>
void for_each_name(const ast::Body& body, Visit&& visit) {
  for (const ast::Stmt& stmt : body)
    std::visit([&](const auto& node) { detail::Names{}(node, visit); }, stmt.node);
}

}  // namespace hearth::jinja
