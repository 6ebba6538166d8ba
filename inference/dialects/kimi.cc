// Kimi K2: <|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>{...}; all of
// "functions.NAME:INDEX" is the call's id, which the template wants back.
#include "dialects/dialect.h"

namespace hearth::dialects {

Dialect kimi() {
  return {.name = "kimi",
          .evidence = {"<|tool_call_begin|>"},
          .form = NamedForm{.section_open = "<|tool_calls_section_begin|>",
                            .section_close = "<|tool_calls_section_end|>",
                            .open = "<|tool_call_begin|>",
                            .prefix = "functions.",
                            .separator = "<|tool_call_argument_begin|>",
                            .close = "<|tool_call_end|>"},
          .special = {"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>",
                      "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"}};
}

}  // namespace hearth::dialects
