// From sampled tokens to what a client may see: whole UTF-8, reasoning and calls told apart from
// the answer's text, nothing of a stop string or of the model's markers.
//
// Lives on the engine thread, one per request; borrows the tokenizer. How the text is read is the
// model's dialect (dialects/dialect.h). Text that may turn out to be a marker or a stop string is
// held back until that is decided.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/dialect.h"
#include "tokenizer/tokenizer.h"

namespace hearth::engine {

class TextStream {
 public:
  struct Options {
    const dialects::Dialect* dialect = nullptr;  // null: no calls
    std::optional<dialects::ReasoningMarkers> markers{};
    dialects::Tools tools{};
    std::vector<std::string> stop_strings{};
    bool has_one_call = false;  // what follows the first call is dropped
  };
  TextStream(const Tokenizer& tokenizer, Options options);

  // Each delta with the tokens that it tells of, in order; a marker's are with what follows it.
  std::vector<StreamDelta> push(Token token, std::optional<TokenLogprob> logprob = {});
  // What was held back; nothing may follow. `is_cut`: the model would have gone on.
  std::vector<StreamDelta> finish(bool is_cut);

  bool is_reasoning() const { return reader_->reply.is_reasoning; }
  size_t n_calls() const { return reader_->reply.n_calls(); }
  bool is_over() const { return reader_->reply.is_over(); }
  // Once set, the rest of the text is dropped.
  const std::optional<std::string>& stop_string() const { return reader_->reply.stop_string(); }

 private:
  // On the heap: the parts borrow from each other.
  struct Reader {
    explicit Reader(Options options);
    const dialects::Dialect* dialect;
    std::optional<dialects::ReasoningMarkers> markers;
    dialects::Source source;
    dialects::Reply reply;
    dialects::Reading<> reading;
  };

  struct Pending;
  void add_told(std::vector<StreamDelta>& out);
  static void add(Pending pending, StreamDelta& delta);

  const Tokenizer& tokenizer_;
  std::vector<std::string> special_;  // control tokens that the reader sees
  std::unique_ptr<Reader> reader_;
  std::string bytes_;    // the cut-off end of a UTF-8 sequence
  size_t n_pushed_ = 0;  // bytes of text
  struct Pending {
    Token token;
    size_t end;  // told with the text that reaches this many bytes
    std::optional<TokenLogprob> logprob;
  };
  std::deque<Pending> tokens_;
};

}  // namespace hearth::engine
