// Tokens -> syntax tree, by recursive descent; the grammar and its precedences are Jinja's.
//
// Nesting is bounded, both of the descent and of the tree it leaves (a long chain of `+` is a deep
// tree), so that neither parsing, rendering nor freeing a hostile template can exhaust the stack.
// include, import and extends are refused: a template is one file and sees nothing else.
#pragma once

#include <string_view>

#include "chat/jinja/ast.h"

namespace hearth::jinja {

ast::Template parse(std::string_view source);

}  // namespace hearth::jinja
