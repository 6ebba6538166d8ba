// Fill-in-the-middle: the tokens with which a model was trained to fill a gap, and the prompt they
// make. Immutable, any thread.
#pragma once

#include <optional>

#include "gguf/reader.h"
#include "inference/completion.h"
#include "tokenizer/tokenizer.h"

namespace hearth {

struct FimTokens {
  Token prefix = -1, suffix = -1;
  Token middle = -1;                      // -1: the answer follows the prefix
  Token repository = -1, separator = -1;  // before its name; before each file's path; -1: none
  bool is_suffix_first = false;
};

// As the file says by id, else by the texts that families use. Nothing: the model knows none.
std::optional<FimTokens> fim_tokens_of(const gguf::File& file, const Tokenizer& tokenizer);

// At most `n_most` tokens: of what stands before and behind, three parts to one, as much as fits,
// nearest first; then other files, the last ones first, as many as fit whole. Texts are never read
// as control tokens.
std::vector<Token> fim_prompt(const Infill& infill, const FimTokens& fim,
                              const Tokenizer& tokenizer, size_t n_most);

}  // namespace hearth
