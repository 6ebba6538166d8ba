// A bounded interpreter of the Jinja subset that chat templates use, byte for byte as Hugging Face
// transformers renders it (trim_blocks, lstrip_blocks, loop controls, its own tojson).
//
// A template is hostile: there is no attribute walk into the host, no includes, no file or clock
// access but strftime_now; steps, output bytes, nesting and memory are limited.
// A parsed Template is immutable; render() may run on any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/json.h"
#include "support/result.h"

namespace hearth::jinja {

struct Limits {
  uint64_t max_steps = 20'000'000;  // evaluations, and 64 bytes walked count as one
  size_t max_output_bytes = 256u << 20;
  size_t max_value_bytes = 256u << 20;  // all live values together, approximately
  uint32_t max_depth = 200;             // nesting of macros and of values
  size_t max_stack_bytes = 256u << 10;  // the caller's thread may have a small one
};

// Output of a render. Ranges mark text that came out of variables rather than out of the template
// itself, so that control tokens in a user's text are never parsed as such (see Tokenizer).
struct Rendered {
  std::string text;
  struct Range {
    size_t begin, end;  // bytes of text, half open, ascending, disjoint
  };
  std::vector<Range> from_variables;
};

class Template {
 public:
  // Errors: Errc::invalid with line and what was expected.
  static Result<Template> parse(std::string_view source);

  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // `variables` is a JSON object; every key becomes a variable. `now_unix_s` feeds strftime_now
  // (local time), so that a session can pin its date. raise_exception gives Errc::invalid with the
  // template's own message.
  Result<Rendered> render(const json::Object& variables, int64_t now_unix_s,
                          const Limits& limits = {}) const;

 private:
  struct State;
  explicit Template(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A template of a file against a JSON object whose keys become its variables.
Result<std::string> render_file_template(std::string_view source, std::string_view variables_json,
                                         int64_t now_unix_s);

}  // namespace hearth::jinja
