// The grammars of one model: its vocabulary in their form, and those that were asked for lately.
//
// Lives on the preparer's thread, owned by the LoadedModel; what it gives is used on the engine
// thread.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "engine/answer_grammar.h"
#include "grammar/grammar.h"
#include "tokenizer/tokenizer.h"

namespace hearth::engine {

class Grammars {
 public:
  explicit Grammars(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  struct Form {
    std::shared_ptr<grammar::Constraint> constraint{};  // null when the answer is free
    std::vector<std::string> left_out{};                // of the tools' schemas: answer_grammar.h
  };
  Result<Form> form_of(const CompletionRequest& request, const dialects::Dialect* dialect,
                       const dialects::ReasoningMarkers* markers);

 private:
  struct Known {
    std::string key;  // all that the grammar depends on
    Form form;
  };
  std::shared_ptr<const grammar::Vocabulary> vocabulary();

  const Tokenizer& tokenizer_;
  std::shared_ptr<const grammar::Vocabulary> vocabulary_;  // made when it is first needed
  std::list<Known> known_;                                 // used last first
};

}  // namespace hearth::engine
