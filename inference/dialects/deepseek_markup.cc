// DeepSeek V3.2 and V4 (DSML); the attribute `string` says what the tool's schema says, too:
//   <｜DSML｜function_calls>
//   <｜DSML｜invoke name="f">
//   <｜DSML｜parameter name="k" string="true">text</｜DSML｜parameter>
//   </｜DSML｜invoke>
//   </｜DSML｜function_calls>
#include "dialects/dialect.h"

namespace hearth::dialects {

Dialect deepseek_markup() {
  return {.name = "deepseek_markup",
          .evidence = {"DSML"},
          .form = TagForm{.section_open = "<｜DSML｜function_calls>",
                          .section_close = "</｜DSML｜function_calls>",
                          .open = "<｜DSML｜invoke name=\"",
                          .name_end = "\">",
                          .key_open = "<｜DSML｜parameter name=\"",
                          .key_end = ">",
                          .value_open = "",
                          .value_end = "</｜DSML｜parameter>",
                          .close = "</｜DSML｜invoke>"},
          .special = {"｜DSML｜"}};
}

}  // namespace hearth::dialects
