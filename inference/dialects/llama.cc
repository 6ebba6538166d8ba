// Llama 3.x: a call is the whole answer, {"name": "f", "parameters": {...}}, several of them with
// ';' between; some writers put <|python_tag|> before it. JSON that names none of the tools on
// offer is an answer like any other.
#include "dialects/dialect.h"

namespace hearth::dialects {

Reading<> read_bare(Source& in, Reply& out) {
  std::string taken;
  for (;;) {
    taken.clear();
    in.record(&taken);
    co_await skip_space(in);
    co_await accept(in, "<|python_tag|>");
    co_await skip_space(in);
    const int c = co_await in.peek();
    const bool may_be_call = c == '{' || c == '[' || c == '`';
    const bool are_calls = may_be_call && co_await read_call_objects(in, out, true);
    in.record(nullptr);
    if (!are_calls) break;
    taken.clear();
    co_await skip_space(in);
    for (int next = co_await in.peek(); next == ';' || next == ',' || is_space(next);
         next = co_await in.peek())
      in.take();
  }
  if (!taken.empty() && !(out.n_calls() > 0 && taken.find_first_not_of(" \n") == taken.npos))
    out.text(taken);
  co_await out.copy_text(in, {});
}

Dialect llama() {
  return {.name = "llama",
          .evidence = {"\"parameters\"", "ipython"},
          .form = BareForm{},
          .special = {"<|python_tag|>"}};
}

}  // namespace hearth::dialects
