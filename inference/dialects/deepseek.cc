// DeepSeek V3, R1 and V3.1. The older ones write "function", the separator, the name and fenced
// JSON; V3.1 the name, the separator and JSON.
#include "dialects/dialect.h"

namespace hearth::dialects {

Dialect deepseek() {
  return {.name = "deepseek",
          .evidence = {"tool▁call▁begin"},
          .form = NamedForm{.section_open = "<｜tool▁calls▁begin｜>",
                            .section_close = "<｜tool▁calls▁end｜>",
                            .open = "<｜tool▁call▁begin｜>",
                            .prefix = "",
                            .separator = "<｜tool▁sep｜>",
                            .close = "<｜tool▁call▁end｜>"},
          .special = {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>",
                      "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"}};
}

}  // namespace hearth::dialects
