// From sampled tokens to the text a client may see: whole UTF-8, reasoning told apart from the
// answer, nothing of a stop string or of the reasoning markers.
//
// Lives on the engine thread, one per request; borrows the tokenizer.
//
// Reasoning is recognised at the start of the answer only, after white space at most; line breaks
// beside the markers are dropped. Stop strings end the answer, not the reasoning before it. Text
// that may turn out to be a marker or a stop string is held back until that is decided.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "chat/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace hearth::engine {

class TextStream {
 public:
  TextStream(const Tokenizer& tokenizer, std::optional<ChatTemplate::ReasoningMarkers> markers,
             std::vector<std::string> stop_strings);

  // Shown text and the tokens whose last byte it contains. A marker's tokens count as reasoning.
  struct Piece {
    bool is_reasoning = false;
    std::string text;
    std::vector<Token> tokens;
  };

  std::vector<Piece> push(Token token);
  std::vector<Piece> finish();  // what was held back; nothing may follow

  bool is_reasoning() const { return phase_ == Phase::reasoning; }
  // Once set, the rest of the text is dropped.
  const std::optional<std::string>& stop_string() const { return stop_string_; }

 private:
  enum class Phase : uint8_t { start, reasoning, answer };

  void advance(bool at_end, std::vector<Piece>& out);
  bool leave_start(bool at_end, std::vector<Piece>& out);
  bool leave_reasoning(bool at_end, std::vector<Piece>& out);
  void show_answer(bool at_end, std::vector<Piece>& out);
  void take(size_t n_bytes, bool is_reasoning, bool is_shown, std::vector<Piece>& out);
  void drop_line_breaks(std::vector<Piece>& out);

  const Tokenizer& tokenizer_;
  std::optional<ChatTemplate::ReasoningMarkers> markers_;
  std::vector<std::string> stop_strings_;

  Phase phase_ = Phase::start;
  bool drops_line_breaks_ = false;  // just past a marker
  std::string bytes_;               // the cut-off end of a UTF-8 sequence
  std::string held_;                // whole text, not yet shown
  size_t n_taken_ = 0;              // bytes of text shown or dropped so far
  struct Pending {
    Token token;
    size_t end;  // shown with the text that reaches this many bytes
  };
  std::deque<Pending> tokens_;
  std::optional<std::string> stop_string_;
};

}  // namespace hearth::engine
