// What was asked and answered of late, to the token: a conversation that goes on from there gets
// the tokens that were sampled, whatever its text would be tokenized to.
//
// Written by the engine thread, read by the preparer's; synchronises itself. Bounded: the oldest
// go.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "chat/jinja.h"
#include "inference/message.h"

namespace hearth::engine {

struct Exchange {
  jinja::Rendered prompt;
  size_t n_messages = 0;          // that the prompt was rendered from
  std::optional<Message> answer;  // null: the prompt was bare text
  std::vector<Token> tokens;      // of the prompt, then of the answer
  uint32_t n_prompt = 0;

  std::span<const Token> prompt_tokens() const { return std::span(tokens).first(n_prompt); }
  std::span<const Token> answer_tokens() const { return std::span(tokens).subspan(n_prompt); }
};

std::string_view trimmed(std::string_view text);  // without white space around it

// Whether `whole` begins with `part`, and with the same trust in each byte.
bool begins_with(const jinja::Rendered& whole, const jinja::Rendered& part);

// Whether a client sent back what was answered. Calls may have been parsed and written anew; white
// space around the text and the reasoning (which many clients drop) do not count.
bool is_same_answer(const Message& sent, const Message& answer);

class RecentAnswers {
 public:
  using Found = std::shared_ptr<const Exchange>;

  void add(Exchange exchange);

  // The longest exchange that a conversation, rendered as `prompt`, goes on from.
  Found find(const jinja::Rendered& prompt, std::span<const Message> messages) const;
  // All that a bare prompt may go on from, longest first.
  std::vector<Found> find(std::string_view prompt) const;

 private:
  mutable std::mutex mutex_;
  std::deque<Found> exchanges_;  // oldest first
  size_t n_bytes_ = 0;
};

}  // namespace hearth::engine
