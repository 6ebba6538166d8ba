// Qwen 2.5 and 3, QwQ, Hermes, Granite 4, Bielik and many more:
//   <tool_call>
//   {"name": "f", "arguments": {"k": 1}}
//   </tool_call>
#include "dialects/dialect.h"

namespace hearth::dialects {

Dialect hermes() {
  return {.name = "hermes",
          .evidence = {"<tool_call>"},
          .form = ObjectForm{.open = "<tool_call>", .close = "</tool_call>"},
          .special = {"<tool_call>", "</tool_call>"}};
}

}  // namespace hearth::dialects
