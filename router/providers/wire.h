// A wire: how one family of remote APIs is spoken to. Its functions are pure; remote.cc sends.
//
// To add one: a file with the functions and the Wire that names them, a line in wires below, and
// the rows of table.cc that speak it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inference/completion.h"
#include "providers/stream_reader.h"
#include "router/needs.h"
#include "router/policy.h"
#include "support/result.h"

namespace hearth::router {

// How thinking is switched by those who otherwise speak OpenAI's chat wire.
enum class ReasoningForm : uint8_t {
  effort,           // reasoning_effort: "low"
  thinking_object,  // thinking: {"type": "enabled"}
  enable_thinking,  // enable_thinking, thinking_budget
  template_kwargs,  // chat_template_kwargs: {"enable_thinking": ...}
  reasoning_object  // reasoning: {"effort", "max_tokens", "enabled"}
};

// Where a provider departs from its wire.
struct Quirks {
  Needs honours{};  // beyond what the wire does
  Needs lacks{};    // though the wire has a word for it
  std::string_view max_tokens = "max_tokens";
  std::string_view repeat_penalty = "repetition_penalty";
  ReasoningForm reasoning = ReasoningForm::effort;
  bool keeps_reasoning = false;  // wants to see what the model thought before its tool calls
};

struct Wire {
  Needs honours;
  std::string (*path)(const Target& target);  // behind the base URL
  std::vector<std::string> (*headers)(std::string_view key);
  // Errc::unsupported names a part of a message that cannot be said.
  Result<std::string> (*body)(const Target& target, const Quirks& quirks,
                              const CompletionRequest& request);
  std::unique_ptr<StreamReader> (*reader)(const Target& target, DeltaSink sink, size_t max_bytes);
};

extern const Wire kOpenAiChat;         // openai_chat.h
extern const Wire kAnthropicMessages;  // anthropic.h

}  // namespace hearth::router
