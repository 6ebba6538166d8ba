// A wire: how one family of remote APIs is spoken to. Its functions are pure; remote.cc sends.
//
// To add one: a file with the functions and the Wire that names them, a line in wires below, and
// the rows of table.cc that speak it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inference/completion.h"
#include "providers/stream_reader.h"
#include "router/needs.h"
#include "router/policy.h"
#include "router/provider.h"
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

// What of a cached prompt is still found when the next request asks for another effort.
enum class EffortKeeps : uint8_t { prompt, instructions, nothing };

// Where a provider departs from its wire.
struct Quirks {
  Needs honours{};  // beyond what the wire does
  Needs lacks{};    // though the wire has a word for it
  std::string_view max_tokens = "max_tokens";
  std::string_view repeat_penalty = "repetition_penalty";
  std::string_view seed = "seed";
  std::string_view call_required = "required";  // the word for a tool choice that demands a call
  ReasoningForm reasoning = ReasoningForm::effort;
  bool keeps_reasoning = false;  // wants to see what the model thought before its tool calls
  bool asks_usage = true;        // knows stream_options; others count unasked, or refuse it
  // Where the conversation's key goes, so that its turns meet the same cache: a member of the body,
  // a header.
  std::string_view affinity_key{};
  std::string_view affinity_header{};
  // How long a cached prompt lives after it was last read; 0: nobody says.
  std::chrono::seconds cache_life{0};
  EffortKeeps effort_keeps = EffortKeeps::prompt;
  bool limits_account = false;  // its rate limits are an account's, over all models; else a model's
  // Takes marks of the prompt's cache, for models of this prefix; "*" for all.
  std::string_view marks_cache_of{};
};

struct Wire {
  Needs honours;
  std::string (*path)(const Target& target);  // behind the base URL
  std::vector<std::string> (*headers)(const Target& target, std::string_view key,
                                      const OwnWords& own);
  // Errc::unsupported names a part of a message that cannot be said. `affinity` is the same for all
  // turns of a conversation and tells nothing of it; "" for what is asked once.
  Result<std::string> (*body)(const Target& target, const Quirks& quirks,
                              const CompletionRequest& request, std::string_view affinity,
                              const OwnWords& own);
  std::unique_ptr<StreamReader> (*reader)(const Target& target, DeltaSink sink, size_t max_bytes);
};

extern const Wire kOpenAiChat;         // openai_chat.h
extern const Wire kOpenAiResponses;    // openai_responses.h
extern const Wire kAnthropicMessages;  // anthropic.h
extern const Wire kGemini;             // gemini.h

}  // namespace hearth::router
