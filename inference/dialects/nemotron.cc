// Nemotron Nano 2: <TOOLCALL>[{"name": "f", "arguments": {...}}]</TOOLCALL>
#include "dialects/dialect.h"

namespace hearth::dialects {

Dialect nemotron() {
  return {.name = "nemotron",
          .evidence = {"<TOOLCALL>"},
          .form = ObjectForm{.open = "<TOOLCALL>", .close = "</TOOLCALL>", .is_list = true},
          .special = {"<TOOLCALL>", "</TOOLCALL>"}};
}

}  // namespace hearth::dialects
