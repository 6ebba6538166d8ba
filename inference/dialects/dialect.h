// How a family of models writes what is more than text: its thinking and its calls. One file for
// each family, one row in table.cc; chosen by what the model's own chat template says.
//
// Plain data, immutable, any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dialects/forms.h"

namespace hearth::dialects {

// Thinking in channels (gpt-oss); it reads the whole answer, with or without tools.
struct Channels {};
// A call is the whole answer, a bare JSON object (Llama 3).
struct BareForm {
  std::string_view arguments = "parameters";
};

struct Dialect {
  std::string_view name;
  // Texts that all occur in the templates of the family, and in none of the rows below it.
  std::vector<std::string_view> evidence;
  std::variant<ObjectForm, NamedForm, TagForm, BareForm, Channels> form;
  // Special tokens that readers need to see.
  std::vector<std::string_view> special;
};

std::span<const Dialect> table();
// The dialect of a template. One that shows tools in a way that nobody knows, or does not show them
// at all, gets the generic one: Hermes, which it is taught in words (chat/tool_lesson.h).
const Dialect& dialect_of(std::string_view template_source);
const Dialect& generic();

// The marker pair around thinking that stands before the answer.
struct ReasoningMarkers {
  std::string open, close;
  bool opened_by_prompt = false;
};

// Reads a whole answer: thinking, text and calls. `dialect` may be null: then there are no calls.
Reading<> read_answer(Source& in, Reply& out, const Dialect* dialect,
                      const ReasoningMarkers* reasoning);

// The families, one file each.
Dialect harmony();
Dialect minimax();
Dialect deepseek_markup();
Dialect deepseek();
Dialect kimi();
Dialect seed();
Dialect qwen_coder();
Dialect glm();
Dialect mistral();
Dialect granite();
Dialect cohere();
Dialect nemotron();
Dialect hermes();
Dialect llama();

Reading<> read_channels(Source& in, Reply& out);
Reading<> read_bare(Source& in, Reply& out);

}  // namespace hearth::dialects
