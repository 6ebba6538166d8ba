#include "dialects/dialect.h"

namespace hearth::dialects {

namespace {

std::string_view opening_of(const Dialect& dialect) {
  struct {
    std::string_view operator()(const ObjectForm& form) const { return form.open; }
    std::string_view operator()(const NamedForm& form) const {
      return form.section_open.empty() ? form.open : form.section_open;
    }
    std::string_view operator()(const TagForm& form) const {
      return form.section_open.empty() ? form.open : form.section_open;
    }
    std::string_view operator()(const BareForm&) const { return ""; }
    std::string_view operator()(const Channels&) const { return ""; }
  } opening;
  return std::visit(opening, dialect.form);
}

// At the start of the answer only, behind white space at most; line breaks beside the markers are
// dropped. Some models forget to close it before they call: a call ends it, too.
Reading<> read_reasoning(Source& in, Reply& out, const ReasoningMarkers& markers,
                         std::string_view call) {
  size_t n_space = 0;
  for (int c = co_await in.peek(); is_space(c); c = co_await in.peek(n_space))
    if (is_space(c)) ++n_space;
  const bool is_marked = co_await follows(in, markers.open, n_space);
  if (!is_marked && !markers.opened_by_prompt) co_return;  // the space is the answer's
  out.is_reasoning = true;
  if (is_marked) in.take(n_space + markers.open.size());
  co_await skip_line_breaks(in);
  const bool may_call = !call.empty() && !out.tools().is_empty();
  for (;;) {
    const int c = co_await in.peek();
    if (c == Source::kEnd) co_return;
    const bool is_closed = co_await accept(in, markers.close);
    if (is_closed) break;
    const bool is_call = may_call && co_await follows(in, call);
    if (is_call) break;
    in.take();
    const char byte = static_cast<char>(c);
    out.reasoning({&byte, 1});
  }
  out.reasoning("");
  co_await skip_line_breaks(in);
  out.is_reasoning = false;
}

}  // namespace

Reading<> read_answer(Source& in, Reply& out, const Dialect* dialect,
                      const ReasoningMarkers* reasoning) {
  if (dialect && std::holds_alternative<Channels>(dialect->form))
    co_return co_await read_channels(in, out);
  const std::string_view call = dialect ? opening_of(*dialect) : std::string_view();
  if (reasoning) co_await read_reasoning(in, out, *reasoning, call);
  if (!dialect || out.tools().is_empty()) {
    co_await out.copy_text(in, {});
  } else if (const auto* objects = std::get_if<ObjectForm>(&dialect->form)) {
    co_await read_objects(in, out, *objects);
  } else if (const auto* named = std::get_if<NamedForm>(&dialect->form)) {
    co_await read_named(in, out, *named);
  } else if (const auto* tags = std::get_if<TagForm>(&dialect->form)) {
    co_await read_tags(in, out, *tags);
  } else {
    co_await read_bare(in, out);
  }
}

}  // namespace hearth::dialects
