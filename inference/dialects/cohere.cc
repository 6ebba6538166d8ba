// Command R7B, Command A:
//   <|START_ACTION|>[{"tool_call_id": "0", "tool_name": "f", "parameters": {...}}]<|END_ACTION|>
#include "dialects/dialect.h"

namespace hearth::dialects {

Dialect cohere() {
  return {.name = "cohere",
          .evidence = {"<|START_ACTION|>"},
          .form = ObjectForm{.open = "<|START_ACTION|>",
                             .close = "<|END_ACTION|>",
                             .name = "tool_name",
                             .arguments = "parameters",
                             .is_list = true},
          .special = {"<|START_ACTION|>", "<|END_ACTION|>"}};
}

}  // namespace hearth::dialects
