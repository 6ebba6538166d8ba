// The canonical request and answer: what every served wire becomes, what the router decides about,
// what every provider and the local engine take and give.
//
// Plain data, any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "inference/message.h"

namespace hearth {

struct LogitBias {
  Token token = 0;
  float bias = 0;  // added to the logit; -100 and less: never
  static void fields(auto& self, auto&& field) {
    field("token", self.token);
    field("bias", self.bias);
  }
};

// How to pick tokens. Absent members take the model's own defaults (general.sampling.* of the
// GGUF), then the ones written here.
struct Sampling {
  std::optional<float> temperature;        // 0.8; 0 is greedy
  std::optional<uint32_t> top_k;           // 40; 0: off
  std::optional<float> top_p;              // 0.95; 1: off
  std::optional<float> min_p;              // 0.05; 0: off
  std::optional<float> repeat_penalty;     // 1: off
  std::optional<float> presence_penalty;   // 0
  std::optional<float> frequency_penalty;  // 0
  std::optional<uint64_t> seed;            // absent: random, and reported in Completion
  std::vector<LogitBias> logit_bias;
  static void fields(auto& self, auto&& field) {
    field("temperature", self.temperature);
    field("topK", self.top_k);
    field("topP", self.top_p);
    field("minP", self.min_p);
    field("repeatPenalty", self.repeat_penalty);
    field("presencePenalty", self.presence_penalty);
    field("frequencyPenalty", self.frequency_penalty);
    field("seed", self.seed);
    field("logitBias", self.logit_bias);
  }
};

// Either a conversation (`messages`, rendered by the model's template with a generation prompt) or
// a bare `prompt` (text after BOS, no template).
struct CompletionRequest {
  std::vector<Message> messages;
  std::optional<std::string> prompt;
  std::vector<ToolSpec> tools;
  RawJson tool_choice;         // "auto", "none", "required" or {"name": ...}; empty: auto
  RawJson template_variables;  // object: enable_thinking, reasoning_effort, ...
  Sampling sampling;
  std::vector<std::string> stop;
  uint32_t max_tokens = 0;  // 0: up to the context
  bool ignore_eos = false;
  static void fields(auto& self, auto&& field) {
    field("messages", self.messages);
    field("prompt", self.prompt);
    field("tools", self.tools);
    field("toolChoice", self.tool_choice);
    field("templateVariables", self.template_variables);
    field("sampling", self.sampling);
    field("stop", self.stop);
    field.or_default("maxTokens", self.max_tokens);
    field.or_default("ignoreEos", self.ignore_eos);
  }
};

enum class FinishReason : uint8_t { stop, length, tool_calls, content_filter, cancelled };

template <>
struct EnumNames<FinishReason> {
  static constexpr std::pair<FinishReason, std::string_view> names[] = {
      {FinishReason::stop, "stop"},
      {FinishReason::length, "length"},
      {FinishReason::tool_calls, "tool_calls"},
      {FinishReason::content_filter, "content_filter"},
      {FinishReason::cancelled, "cancelled"},
  };
};

struct Usage {
  uint32_t n_prompt = 0;
  uint32_t n_cached = 0;      // of the prompt, not computed again
  uint32_t n_completion = 0;  // reasoning included
  uint32_t n_reasoning = 0;
  static void fields(auto& self, auto&& field) {
    field("promptTokens", self.n_prompt);
    field("cachedTokens", self.n_cached);
    field("completionTokens", self.n_completion);
    field("reasoningTokens", self.n_reasoning);
  }
};

struct Timings {
  double queue_ms = 0;
  double prefill_ms = 0;  // remote: time to the first byte
  double decode_ms = 0;
  static void fields(auto& self, auto&& field) {
    field("queueMs", self.queue_ms);
    field("prefillMs", self.prefill_ms);
    field("decodeMs", self.decode_ms);
  }
};

// One piece of an answer as it is made, in order. Text is always whole UTF-8 sequences.
struct StreamDelta {
  enum class Kind : uint8_t { text, reasoning, tool_call, progress };
  Kind kind = Kind::text;
  std::string text{};           // text, reasoning; for tool_call the next piece of its arguments
  std::vector<Token> tokens{};  // local answers: the ids behind the text
  uint32_t tool_index = 0;      // tool_call: which call of this message
  std::string tool_id{};        // tool_call: with its first piece
  std::string tool_name{};      // tool_call: with its first piece
  uint32_t n_done = 0;          // progress: prompt tokens read so far
  uint32_t n_prompt = 0;        // progress: of how many
  static void fields(auto& self, auto&& field) {
    field("kind", self.kind);
    field("text", self.text);
    field("tokens", self.tokens);
    field("toolIndex", self.tool_index);
    field("toolId", self.tool_id);
    field("toolName", self.tool_name);
    field("done", self.n_done);
    field("promptTokens", self.n_prompt);
  }
};

template <>
struct EnumNames<StreamDelta::Kind> {
  static constexpr std::pair<StreamDelta::Kind, std::string_view> names[] = {
      {StreamDelta::Kind::text, "text"},
      {StreamDelta::Kind::reasoning, "reasoning"},
      {StreamDelta::Kind::tool_call, "tool_call"},
      {StreamDelta::Kind::progress, "progress"},
  };
};

using DeltaSink = std::function<void(const StreamDelta&)>;

struct Completion {
  Message message;  // role assistant; the deltas folded
  FinishReason finish_reason = FinishReason::stop;
  std::optional<std::string> stop_string;  // which one ended it
  Usage usage;
  Timings timings;
  uint64_t seed = 0;
};

// Folds deltas into the message that they amount to (consecutive text into one block, and so on).
void append(Message& message, const StreamDelta& delta);

}  // namespace hearth
