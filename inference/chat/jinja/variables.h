// What a template is given, as values.
#pragma once

#include "chat/jinja/interpreter.h"
#include "support/json.h"

namespace hearth::jinja {

// Strings are marked as from variables, except what the model file itself names: variables called
// ..._token, and the well-known names under a key "role".
Variables variables_from(Runtime& runtime, const json::Object& variables);

}  // namespace hearth::jinja
