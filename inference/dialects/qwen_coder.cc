// Qwen3-Coder, Qwen3.5 and later, Nemotron 3, Step 3.5:
//   <tool_call>
//   <function=f>
//   <parameter=k>
//   text
//   </parameter>
//   </function>
//   </tool_call>
// Coder models leave out the first line now and then.
#include "dialects/dialect.h"

namespace hearth::dialects {

Dialect qwen_coder() {
  return {.name = "qwen_coder",
          .evidence = {"<function=", "<parameter="},
          .form = TagForm{.section_open = "<tool_call>",
                          .section_close = "</tool_call>",
                          .open = "<function=",
                          .name_end = ">",
                          .key_open = "<parameter=",
                          .key_end = ">",
                          .value_open = "",
                          .value_end = "</parameter>",
                          .close = "</function>",
                          .has_lines = true},
          .special = {"<tool_call>", "</tool_call>"}};
}

}  // namespace hearth::dialects
