// Seed-OSS: the markup of Qwen3-Coder between tags of its own.
#include "dialects/dialect.h"

namespace hearth::dialects {

Dialect seed() {
  return {.name = "seed",
          .evidence = {"seed:tool_call"},
          .form = TagForm{.section_open = "<seed:tool_call>",
                          .section_close = "</seed:tool_call>",
                          .open = "<function=",
                          .name_end = ">",
                          .key_open = "<parameter=",
                          .key_end = ">",
                          .value_open = "",
                          .value_end = "</parameter>",
                          .close = "</function>"},
          .special = {"<seed:tool_call>", "</seed:tool_call>"}};
}

}  // namespace hearth::dialects
