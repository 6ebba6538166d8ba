// <function=NAME><parameter=KEY>text</parameter></function>: Qwen3-Coder, MiniMax, GLM, Seed.
#include "dialects/forms.h"
#include "dialects/loose_json.h"
#include "support/json.h"

namespace hearth::dialects {

namespace {

Reading<bool> accept_if(Source& in, std::string_view literal) {
  if (literal.empty()) co_return false;
  co_return co_await accept(in, literal);
}

// Code that a value carries may hold the tag that ends a value. It does so only where the call goes
// on or ends behind it.
Reading<bool> ends_value(Source& in, const TagForm& form) {
  const bool is_tag = co_await follows(in, form.value_end);
  if (!is_tag) co_return false;
  size_t behind = form.value_end.size();
  for (int c = co_await in.peek(behind); is_space(c); c = co_await in.peek(behind)) ++behind;
  const int next = co_await in.peek(behind);
  if (next == Source::kEnd) co_return true;
  for (std::string_view legal : {form.key_open, form.close, form.section_close}) {
    const bool is_legal = !legal.empty() && co_await follows(in, legal, behind);
    if (is_legal) co_return true;
  }
  co_return false;
}

// A value whose tag was forgotten ends before those of its call, where nothing but more calls is
// behind them.
Reading<bool> ends_with_call(Source& in, const TagForm& form) {
  size_t behind = 0;
  for (std::string_view close : {form.close, form.section_close}) {
    for (int c = co_await in.peek(behind); is_space(c); c = co_await in.peek(behind)) ++behind;
    const bool is_there = !close.empty() && co_await follows(in, close, behind);
    if (is_there) behind += close.size();
  }
  if (behind == 0) co_return false;
  for (int c = co_await in.peek(behind); is_space(c); c = co_await in.peek(behind)) ++behind;
  const int next = co_await in.peek(behind);
  if (next == Source::kEnd) co_return !in.is_cut();
  for (std::string_view open : {form.open, form.section_open}) {
    const bool goes_on = !open.empty() && co_await follows(in, open, behind);
    if (goes_on) co_return true;
  }
  co_return false;
}

// The text of a value, without its tag and the line breaks that belong to the form. False when it
// was cut off.
Reading<bool> copy_value(Source& in, const TagForm& form, const Put& put) {
  if (form.has_lines) {
    const int c = co_await in.peek();
    if (c == '\n') in.take();
  }
  bool has_break = false;  // held back: it may be the last one
  for (;;) {
    const int c = co_await in.peek();
    if (c == Source::kEnd) co_return !in.is_cut();
    const bool may_end = c == form.value_end[0];
    const bool is_end = may_end && co_await ends_value(in, form);
    if (is_end) break;
    const bool is_forgotten = may_end && co_await ends_with_call(in, form);
    if (is_forgotten) co_return true;
    if (has_break) put("\n");
    has_break = form.has_lines && c == '\n';
    const char byte = static_cast<char>(c);
    in.take();
    if (!has_break) put({&byte, 1});
  }
  in.take(form.value_end.size());
  co_return true;
}

// Up to the value. False when there is none in this call.
Reading<bool> read_key(Source& in, const TagForm& form, std::string& key) {
  for (;;) {
    const bool is_value = co_await accept_if(in, form.value_open);  // the key's tag was forgotten
    const bool is_end = is_value || co_await accept(in, form.key_end);
    if (is_end) break;
    const bool is_over = co_await ends_call(in);
    if (is_over) co_return false;
    key += static_cast<char>(co_await in.peek());
    in.take();
  }
  if (const size_t quote = key.find('"'); quote != key.npos) key.resize(quote);  // more attributes
  key.resize(key.find_last_not_of(" \r\n\t") + 1);
  if (form.value_open.empty()) co_return true;
  co_await skip_space(in);
  co_await accept(in, form.value_open);
  co_return !co_await ends_call(in);
}

Reading<bool> copy_argument(Source& in, Reply& out, const TagForm& form, std::string_view tool,
                            bool is_first) {
  std::string key;
  const bool has_value = co_await read_key(in, form, key);
  if (!has_value) co_return false;
  const Put tell = [&](std::string_view piece) { out.arguments(piece); };
  if (!is_first) tell(", ");
  tell(json::quote(key));
  tell(": ");
  const Types types = out.tools().types_of(tool, key);
  if (types.is_only_string()) {  // the long ones: shown as they come
    const Put escaped = [&](std::string_view piece) { put_escaped(piece, tell); };
    tell("\"");
    const bool is_whole = co_await copy_value(in, form, escaped);
    if (is_whole) tell("\"");
    co_return is_whole;
  }
  std::string text;
  const Put into = [&](std::string_view piece) { text += piece; };
  const bool is_whole = co_await copy_value(in, form, into);
  if (is_whole) tell(json_of_text(text, types));
  co_return is_whole;
}

// From behind `open`. False when there is no name.
Reading<bool> read_call(Source& in, Reply& out, const TagForm& form) {
  co_await skip_space(in);
  const std::string name = co_await read_word(in);
  if (name.empty()) co_return false;
  const bool is_named = co_await accept_if(in, form.name_end);
  out.begin_call(name);
  co_await skip_space(in);
  const int first = co_await in.peek();
  if (first == '{' || (is_named && first == '"')) {
    const Put tell = [&](std::string_view piece) { out.arguments(piece); };
    const ArgumentTypes types{out.tools(), name};
    std::string rest;
    co_await copy_arguments(in, types, tell, rest);
    if (!rest.empty()) out.text(rest);
    co_return true;
  }
  out.arguments("{");
  for (bool is_first = true;; is_first = false) {
    co_await skip_space(in);
    const bool has_argument = co_await accept(in, form.key_open);
    if (!has_argument) break;
    const bool is_whole = co_await copy_argument(in, out, form, name, is_first);
    if (!is_whole) break;
  }
  co_await in.peek();
  const bool is_cut = in.is_cut() && form.key_open.starts_with(in.rest());
  if (is_cut)
    in.take(in.rest().size());  // the beginning of one more argument
  else
    out.arguments("}");
  co_return true;
}

}  // namespace

Reading<> read_tags(Source& in, Reply& out, const TagForm& form) {
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
