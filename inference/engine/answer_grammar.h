// What the whole of an answer has to look like, thinking, markers and calls included: a request's
// format and choice of tools in the words of the model's dialect, as a grammar.
//
// Pure; made on the preparer's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/dialect.h"
#include "grammar/grammar.h"
#include "inference/completion.h"

namespace hearth::engine {

struct AnswerContext {
  const dialects::Dialect* dialect = nullptr;           // null: a bare prompt's continuation
  const dialects::ReasoningMarkers* markers = nullptr;  // null: no thinking
  std::function<bool(std::string_view)> is_control{};   // there is a control token of this text
};

// Null when the answer is free. Errc::unsupported names what the request's format demands and no
// grammar has; of a tool's schema such a keyword alone is left out, which `left_out` tells
// ("tool f: properties.a: uniqueItems") and the log, unless the tool is strict.
Result<std::shared_ptr<const grammar::Grammar>> answer_grammar(
    const CompletionRequest& request, const AnswerContext& context,
    std::vector<std::string>* left_out = nullptr);

}  // namespace hearth::engine
