// Granite 3, Phi-4-mini: a list of objects behind a special token.
#include "dialects/dialect.h"

namespace hearth::dialects {

Dialect granite() {
  return {.name = "granite",
          .evidence = {"<|tool_call|>"},
          .form = ObjectForm{.open = "<|tool_call|>", .close = "<|/tool_call|>", .is_list = true},
          .special = {"<|tool_call|>", "<|/tool_call|>"}};
}

}  // namespace hearth::dialects
