// Llama 3.x: a call is the whole answer, {"name": "f", "parameters": {...}}, several of them with
// ';' between; some writers put <|python_tag|> before it, behind which a call may also be one of
// Python, f.call(k="v"). What names none of the tools on offer is an answer like any other.
#include "dialects/dialect.h"
#include "dialects/loose_json.h"

namespace hearth::dialects {

namespace {

// False when it is none, or of nobody on offer.
Reading<bool> read_python_call(Source& in, Reply& out) {
  std::string name = co_await read_word(in);
  if (!out.tools().has(name) && name.ends_with(".call")) name.resize(name.size() - 5);
  const bool is_open = co_await follows(in, "(");
  if (!is_open || !out.tools().has(name)) co_return false;
  out.begin_call(name);
  const Put tell = [&](std::string_view piece) { out.arguments(piece); };
  const ArgumentTypes types{out.tools(), name};
  co_await copy_keywords(in, types, tell);
  co_return true;
}

}  // namespace

Reading<> read_bare(Source& in, Reply& out) {
  const std::string_view marks[] = {"<|python_tag|>"};
  in.set_call_marks(marks);
  std::string taken;
  for (;;) {
    taken.clear();
    in.record(&taken);
    co_await skip_space(in);
    const bool is_marked = co_await accept(in, marks[0]);
    co_await skip_space(in);
    const int c = co_await in.peek();
    const bool may_be_call = c == '{' || c == '[' || c == '`';
    bool are_calls = may_be_call && co_await read_call_objects(in, out, true);
    if (is_marked && !may_be_call) are_calls = co_await read_python_call(in, out);
    in.record(nullptr);
    if (!are_calls) break;
    taken.clear();
    co_await skip_space(in);
    for (int next = co_await in.peek(); next == ';' || next == ',' || is_space(next);
         next = co_await in.peek())
      in.take();
  }
  if (!taken.empty() && !(out.n_calls() > 0 && taken.find_first_not_of(" \n") == taken.npos))
    out.no_call(taken);
  co_await out.copy_text(in, {});
}

Dialect llama() {
  return {.name = "llama",
          .evidence = {"\"parameters\"", "ipython"},
          .form = BareForm{},
          .special = {"<|python_tag|>"}};
}

}  // namespace hearth::dialects
