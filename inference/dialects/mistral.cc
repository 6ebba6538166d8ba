// Mistral: [TOOL_CALLS]NAME[ARGS]{...}, with [CALL_ID]ID before [ARGS] in some, since tokenizer
// v11; before it one list: [TOOL_CALLS][{"name": "f", "arguments": {...}, "id": "..."}].
#include "dialects/dialect.h"

namespace hearth::dialects {

Dialect mistral() {
  return {.name = "mistral",
          .evidence = {"[TOOL_CALLS]"},
          .form = NamedForm{.section_open = "",
                            .section_close = "",
                            .open = "[TOOL_CALLS]",
                            .prefix = "",
                            .separator = "[ARGS]",
                            .close = ""},
          .special = {"[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"}};
}

}  // namespace hearth::dialects
