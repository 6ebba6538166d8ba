// Text <-> token ids for every vocabulary kind of GGUF: byte-level BPE (gpt2), SPM (llama),
// WordPiece (bert) and gemma4, with the pre-tokenizer that the file names.
//
// Text is hostile: time is linear in its length, recursion does not grow with it, and special
// tokens are recognised only where the caller says so: never in what a user or a tool wrote.
// Immutable after load; any thread may use it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/reader.h"
#include "inference/message.h"
#include "support/result.h"

namespace hearth {

// A stretch of text to encode. Templates produce a sequence of these: what the template wrote is
// trusted, what came out of a message is not.
struct TextPiece {
  std::string_view text;
  bool parse_special = false;  // recognise control tokens ("<|im_end|>") in this piece
};

class Tokenizer {
 public:
  // Reads tokenizer.ggml.*. Errors: unknown model kind or pre-tokenizer, arrays of wrong type or
  // length, ids out of range. Copies what it needs: the File may go.
  static Result<Tokenizer> load(const gguf::File& file);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Bytes are taken as they are; invalid UTF-8 encodes as byte tokens or U+FFFD as the kind
  // demands. Adjacent pieces are joined before merging where neither side is special, as one string
  // would be. `continues`: the pieces stand behind other text, so that no space goes in front.
  std::vector<Token> encode(std::span<const TextPiece> pieces, bool add_bos_eos,
                            bool continues = false) const;
  std::vector<Token> encode(std::string_view text, bool parse_special, bool add_bos_eos) const;

  // The bytes of one token as they appear in running text; control tokens give "" unless
  // `with_special`. May be a part of a UTF-8 sequence.
  std::string piece(Token token, bool with_special = false) const;
  // Whole sequence; strips the space that SPM put in front.
  std::string decode(std::span<const Token> tokens, bool with_special = false) const;

  size_t n_vocab() const;
  bool is_control(Token token) const;
  // End of generation is a set: eos, eot, eom and every token whose text is a known end marker.
  bool is_end(Token token) const;
  Token bos() const;  // -1 when there is none
  Token eos() const;  // -1 when there is none
  bool adds_bos() const;
  std::string_view text(Token token) const;       // as in the vocabulary ("<|im_end|>", "Ġthe")
  Token find(std::string_view token_text) const;  // -1 when not in the vocabulary
  std::string_view pre() const;                   // name of the pre-tokenizer in use
  std::span<const std::string> notes() const;     // "no tokenizer.ggml.pre: default used ..."

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hearth
