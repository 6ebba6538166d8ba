// MiniMax-M2:
//   <minimax:tool_call>
//   <invoke name="f">
//   <parameter name="k">text</parameter>
//   </invoke>
//   </minimax:tool_call>
#include "dialects/dialect.h"

namespace hearth::dialects {

Dialect minimax() {
  return {.name = "minimax",
          .evidence = {"<minimax:tool_call>"},
          .form = TagForm{.section_open = "<minimax:tool_call>",
                          .section_close = "</minimax:tool_call>",
                          .open = "<invoke name=\"",
                          .name_end = "\">",
                          .key_open = "<parameter name=\"",
                          .key_end = "\">",
                          .value_open = "",
                          .value_end = "</parameter>",
                          .close = "</invoke>"},
          .special = {"<minimax:tool_call>", "</minimax:tool_call>"}};
}

}  // namespace hearth::dialects
