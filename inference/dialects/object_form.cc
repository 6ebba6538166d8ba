// {"name": "f", "arguments": {...}}, in every spelling that models use.
#include <algorithm>

#include "dialects/forms.h"
#include "dialects/loose_json.h"

namespace hearth::dialects {

namespace {

constexpr size_t kLeastId = 9;  // shorter ones count within one message and are no ids

bool is_any_of(std::string_view key, std::initializer_list<std::string_view> names) {
  return std::ranges::count(names, key) > 0;
}

Reading<bool> read_call_object(Source& in, Reply& out, bool only_known) {
  std::string name, id, arguments;
  bool is_begun = false, is_closed = false;
  const Put tell = [&](std::string_view piece) { out.arguments(piece); };
  const Put hold = [&](std::string_view piece) { arguments += piece; };
  const Put drop = [](std::string_view) {};
  in.take();  // the bracket
  for (;;) {
    co_await skip_space(in);
    int c = co_await in.peek();
    if (c == ',') {
      in.take();
      continue;
    }
    is_closed = c == '}';
    if (is_closed) in.take();
    if (c != '"' && c != '\'') break;
    std::string key;
    const bool is_key = co_await read_string(in, key);
    co_await skip_space(in);
    const bool has_colon = co_await accept(in, ":");
    if (!is_key || !has_colon) break;
    co_await skip_space(in);
    c = co_await in.peek();
    const bool is_text = c == '"' || c == '\'';
    bool is_whole = true;
    if (is_text && name.empty() &&
        is_any_of(key, {"name", "function", "tool_name", "tool", "function_name"})) {
      is_whole = co_await read_string(in, name);
      if (!is_whole) name.clear();
    } else if (is_text && is_any_of(key, {"id", "tool_call_id", "call_id"})) {
      is_whole = co_await read_string(in, id);
      if (id.size() < kLeastId) id.clear();
    } else if (c == '{' && key == "function" && name.empty()) {
      is_begun = is_whole = co_await read_call_object(in, out, only_known);
    } else if (!is_begun &&
               is_any_of(key, {"arguments", "parameters", "args", "input", "tool_arguments"})) {
      if (only_known && !name.empty() && !out.tools().has(name)) co_return false;
      if (name.empty()) {
        is_whole = co_await copy_json(in, hold);
      } else {
        is_begun = true;
        out.begin_call(name, id);
        const ArgumentTypes types{out.tools(), name};
        std::string rest;
        is_whole = co_await copy_arguments(in, types, tell, rest);
        if (!rest.empty()) out.text(rest);
      }
    } else {
      is_whole = co_await copy_json(in, drop);
    }
    if (!is_whole) break;
  }
  if (is_begun) co_return true;
  if (name.empty() || (only_known && !out.tools().has(name))) co_return false;
  out.begin_call(name, id);
  const bool is_cut = !is_closed && co_await is_cut_off(in);
  Source late;  // arguments that came before the name
  late.push(arguments);
  late.finish(is_cut);
  const ArgumentTypes types{out.tools(), name};
  std::string rest;
  co_await copy_arguments(late, types, tell, rest);
  if (!rest.empty()) out.text(rest);
  co_return true;
}

}  // namespace

Reading<> skip_fence(Source& in) {
  co_await skip_space(in);
  const bool is_fence = co_await accept(in, "```");
  if (!is_fence) co_return;
  const std::string language = co_await read_word(in);
  co_await skip_space(in);
}

Reading<bool> read_call_objects(Source& in, Reply& out, bool only_known) {
  co_await skip_fence(in);
  const size_t n_before = out.n_calls();
  const bool is_list = co_await accept(in, "[");
  for (;;) {
    co_await skip_space(in);
    const int c = co_await in.peek();
    if (c == '{') {
      const bool is_call = co_await read_call_object(in, out, only_known);
      if (!is_call || !is_list) break;
    } else if (c == ',' && is_list) {
      in.take();
    } else {
      if (c == ']' && is_list) in.take();
      break;
    }
  }
  const bool has_calls = out.n_calls() > n_before;
  if (has_calls) co_await skip_fence(in);
  co_return has_calls;
}

Reading<> read_objects(Source& in, Reply& out, const ObjectForm& form) {
  const std::string_view marks[] = {form.open, form.close};
  in.set_call_marks(marks);
  for (;;) {
    const size_t n_marks = out.n_calls() > 0 ? 2 : 1;  // an end is one only behind a call
    const size_t mark = co_await out.copy_text(in, std::span(marks).first(n_marks));
    if (mark == kNone) co_return;
    std::string taken(form.open);
    in.record(&taken);
    const bool are_calls = mark == 0 && co_await read_call_objects(in, out, false);
    in.record(nullptr);
    if (mark == 0 && !are_calls)
      out.no_call(taken);
    else
      co_await skip_space(in);
  }
}

}  // namespace hearth::dialects
