// Binds every name of a template to a slot, before anything runs.
#pragma once

#include "chat/jinja/ast.h"

namespace hearth::jinja {

// Also checks what Jinja checks at this stage: that break and continue stand in a loop, that nobody
// assigns to `loop`, and that filters and tests outside of conditionals exist.
void bind_names(ast::Template& parsed);

}  // namespace hearth::jinja
