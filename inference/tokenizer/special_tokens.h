// Which tokens begin, end and structure a text, from the ids and the texts in the file.
#pragma once

#include <string>
#include <vector>

#include "gguf/reader.h"
#include "support/result.h"
#include "vocabulary.h"

namespace hearth::tokenizer {

struct SpecialTokens {
  Token bos = -1;
  Token eos = -1;
  Token unknown = -1;
  bool adds_bos = false;
  bool adds_eos = false;
  std::vector<bool> is_end;      // of each token: it ends generation
  std::vector<bool> is_shown;    // control tokens that are part of the running text all the same
  std::vector<bool> eats_right;  // white space behind the token belongs to it (Phi-3)
  std::vector<bool> eats_left;   // white space before it (<mask> of some encoders)
};

// What holds when the file does not say.
struct SpecialDefaults {
  Token bos = -1;
  Token eos = -1;
  Token unknown = -1;
  bool adds_bos = false;
  bool adds_eos = false;
};

// Reads the ids and flags. Also settles kinds: what reads like a marker becomes a control token
// whatever the file calls it, so that text of a user can never open a role or end a turn.
// Errors (corrupt): flag or id of a wrong type, bos or eos out of range.
Result<SpecialTokens> load_special_tokens(const gguf::File& file, const SpecialDefaults& defaults,
                                          Vocabulary& vocabulary, std::vector<std::string>& notes);

}  // namespace hearth::tokenizer
