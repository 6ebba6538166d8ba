#include "engine/grammars.h"

#include "support/binary.h"

namespace hearth::engine {

namespace {

constexpr size_t kMaxKnown = 16;
constexpr size_t kWideMasks = 12;  // found ahead, at about a millisecond each

std::string key_of(const CompletionRequest& request, const dialects::Dialect* dialect,
                   const dialects::ReasoningMarkers* markers) {
  std::string key;
  binary::detail::Writer writer{key};
  writer.write(request.response_format);
  if (dialect) {
    writer.write(request.tool_choice);
    writer.write(request.tools);
  }
  if (markers) {
    writer.write(markers->open + '\0' + markers->close);
    writer.write(markers->opened_by_prompt);
  }
  return key;
}

}  // namespace

Result<Grammars::Form> Grammars::form_of(const CompletionRequest& request,
                                         const dialects::Dialect* dialect,
                                         const dialects::ReasoningMarkers* markers) {
  const bool is_free = request.response_format.kind == ResponseFormat::Kind::text &&
                       (!dialect || request.tools.empty());
  if (is_free) return Form();
  std::string key = key_of(request, dialect, markers);
  for (auto at = known_.begin(); at != known_.end(); ++at) {
    if (at->key != key) continue;
    if (at->form.constraint && at->form.constraint->is_worn()) {  // it remembers too much
      known_.erase(at);
      break;
    }
    known_.splice(known_.begin(), known_, at);
    return known_.front().form;
  }
  const AnswerContext context{
      .dialect = dialect, .markers = markers, .is_control = [this](auto text) {
        const Token token = tokenizer_.find(text);
        return token >= 0 && tokenizer_.is_control(token);
      }};
  Form form;
  auto made = answer_grammar(request, context, &form.left_out);
  if (!made) return made.error();
  if (*made) {
    form.constraint = std::make_shared<grammar::Constraint>(*made, vocabulary());
    form.constraint->prepare(kWideMasks);
  }
  known_.push_front({std::move(key), form});
  if (known_.size() > kMaxKnown) known_.pop_back();
  return form;
}

std::shared_ptr<const grammar::Vocabulary> Grammars::vocabulary() {
  if (vocabulary_) return vocabulary_;
  std::vector<std::string> tokens(tokenizer_.n_vocab());
  std::vector<Token> ends;
  for (size_t id = 0; id < tokens.size(); ++id) {
    const Token token = static_cast<Token>(id);
    if (tokenizer_.is_end(token)) {
      ends.push_back(token);
    } else if (tokenizer_.is_control(token)) {
      tokens[id] = grammar::kControlMark + std::string(tokenizer_.text(token));
    } else {
      tokens[id] = tokenizer_.piece(token);
      if (tokens[id].find(grammar::kControlMark) != std::string::npos) tokens[id].clear();
    }
  }
  vocabulary_ = std::make_shared<const grammar::Vocabulary>(std::move(tokens), std::move(ends));
  return vocabulary_;
}

}  // namespace hearth::engine
