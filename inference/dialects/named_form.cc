// <call>NAME<separator>{"k": 1}<end>: DeepSeek, Kimi, Mistral.
#include "dialects/forms.h"
#include "dialects/loose_json.h"

namespace hearth::dialects {

namespace {

// "functions.get_weather:3": the index counts the calls of the conversation; all of it is the id.
std::string name_in(std::string_view id, std::string_view prefix) {
  id.remove_prefix(prefix.size());
  const size_t colon = id.rfind(':');
  const bool has_index = colon != id.npos && colon + 1 < id.size() &&
                         id.find_first_not_of("0123456789", colon + 1) == id.npos;
  return std::string(has_index ? id.substr(0, colon) : id);
}

// From behind `open` to behind the arguments. False when nothing of a call was told.
Reading<bool> read_call(Source& in, Reply& out, const NamedForm& form) {
  co_await skip_space(in);
  const int first = co_await in.peek();
  if (first == '[' || first == '{') co_return co_await read_call_objects(in, out, false);
  std::string name = co_await read_word(in), id;
  if (!form.prefix.empty() && name.starts_with(form.prefix)) {
    id = name;
    name = name_in(name, form.prefix);
  }
  co_await skip_space(in);
  const bool has_id = co_await accept(in, "[CALL_ID]");
  if (has_id) id = co_await read_word(in);
  const bool has_separator = co_await accept(in, form.separator);
  co_await skip_space(in);
  const int behind = co_await in.peek();
  if (name == "function" && has_separator && behind != '{')  // DeepSeek's kind of call, no name
    name = co_await read_word(in);
  if (has_separator) co_await skip_fence(in);
  const int next = co_await in.peek();
  const bool is_cut = co_await is_cut_off(in);
  const bool is_alone = !is_cut && co_await ends_call(in);
  if (name.empty() || (next != '{' && next != '"' && !has_separator && !is_alone)) co_return false;
  out.begin_call(name, id);
  if (next != '{' && next != '"') {
    if (!is_cut) out.arguments("{}");
    co_return true;
  }
  const Put tell = [&](std::string_view piece) { out.arguments(piece); };
  const ArgumentTypes types{out.tools(), name};
  std::string rest;
  const bool is_whole = co_await copy_arguments(in, types, tell, rest);
  if (!rest.empty()) out.text(rest);
  if (is_whole) co_await skip_fence(in);
  co_return true;
}

}  // namespace

Reading<> read_named(Source& in, Reply& out, const NamedForm& form) {
  const std::string_view marks[] = {form.open, form.section_open, form.close, form.section_close};
  in.set_call_marks(marks);
  for (;;) {
    const size_t n_marks = out.n_calls() > 0 ? 4 : 2;  // an end is one only behind a call
    const size_t mark = co_await out.copy_text(in, std::span(marks).first(n_marks));
    if (mark == kNone) co_return;
    std::string taken(marks[mark]);
    in.record(&taken);
    if (mark > 0) co_await skip_space(in);
    const bool is_open = mark == 0 || (mark == 1 && co_await accept(in, form.open));
    const bool is_call = is_open && co_await read_call(in, out, form);
    in.record(nullptr);
    if (is_call)
      co_await skip_space(in);
    else if (mark < 2)
      out.no_call(taken);
  }
}

}  // namespace hearth::dialects
