// From a conversation to prompt tokens: canonical messages -> template variables -> Jinja -> pieces
// of trusted and untrusted text -> token ids.
//
// Immutable after load; any thread may use it. Borrows the tokenizer, which must outlive it in
// place.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "chat/jinja.h"
#include "dialects/dialect.h"
#include "gguf/reader.h"
#include "inference/message.h"
#include "support/result.h"
#include "tokenizer/tokenizer.h"

namespace hearth {

class ChatTemplate {
 public:
  // tokenizer.chat_template of the file; a file without one gets ChatML when the vocabulary has its
  // tokens, else a plain "role: text" form, and says so in notes().
  static Result<ChatTemplate> load(const gguf::File& file, const Tokenizer& tokenizer);

  // Messages take the form that the template showed, when it was loaded, to understand: the role of
  // system text, content as string, parts or null, tool arguments as text or object, the form of
  // call ids. What came out of messages is encoded as text, never as control tokens.
  // `variables` is a JSON object of extra template variables (enable_thinking ...), or empty; it
  // cannot replace messages, tools or the vocabulary's tokens.
  Result<std::vector<Token>> render(std::span<const Message> messages,
                                    std::span<const ToolSpec> tools, const RawJson& variables,
                                    int64_t now_unix_s) const;

  // The same in two steps: the text, and the tokens of its bytes from `begin` on, up to `end`. A
  // part that is encoded alone has the tokens that it has in the whole where a control token stands
  // at its border.
  Result<jinja::Rendered> render_text(std::span<const Message> messages,
                                      std::span<const ToolSpec> tools, const RawJson& variables,
                                      int64_t now_unix_s) const;
  std::vector<Token> encode(const jinja::Rendered& prompt, size_t begin, size_t end) const;

  // A token that ends generation, or that the template puts behind an answer (learned by rendering
  // one).
  bool closes_answer(Token token) const;

  // Whether a message shows several calls. Else each is sent in a message of its own, with its
  // results behind it, and an answer with several is not what the template makes of it.
  bool has_parallel_calls() const;

  // The marker pair around a model's thinking ("<think>", "</think>"), when the template has one,
  // and whether the generation prompt already opened it (learned by rendering a probe).
  using ReasoningMarkers = dialects::ReasoningMarkers;
  const std::optional<ReasoningMarkers>& reasoning() const;
  // Whether thinking can be switched on and off, and whether it knows degrees.
  bool switches_thinking() const;
  bool knows_effort() const;
  std::span<const std::string> notes() const;

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

 private:
  struct State;
  explicit ChatTemplate(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hearth
