// GLM 4.5 and later (4.7 and later without the line breaks):
//   <tool_call>f
//   <arg_key>k</arg_key>
//   <arg_value>text</arg_value>
//   </tool_call>
#include "dialects/dialect.h"

namespace hearth::dialects {

Dialect glm() {
  return {.name = "glm",
          .evidence = {"<arg_key>"},
          .form = TagForm{.section_open = "",
                          .section_close = "",
                          .open = "<tool_call>",
                          .name_end = "\n",
                          .key_open = "<arg_key>",
                          .key_end = "</arg_key>",
                          .value_open = "<arg_value>",
                          .value_end = "</arg_value>",
                          .close = "</tool_call>"},
          .special = {"<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>",
                      "</arg_value>"}};
}

}  // namespace hearth::dialects
