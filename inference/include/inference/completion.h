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

#include "inference/failure.h"
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

// Whether the model may, must or must not call tools.
struct ToolChoice {
  enum class Mode : uint8_t { automatic, none, required, named };
  Mode mode = Mode::automatic;
  std::string name;              // named: the tool
  std::optional<bool> parallel;  // several calls in one answer; absent: as the model likes
  static void fields(auto& self, auto&& field) {
    field.or_default("mode", self.mode);
    field.or_default("name", self.name);
    field("parallel", self.parallel);
  }
};

template <>
struct EnumNames<ToolChoice::Mode> {
  using M = ToolChoice::Mode;
  static constexpr std::pair<M, std::string_view> names[] = {
      {M::automatic, "auto"}, {M::none, "none"}, {M::required, "required"}, {M::named, "named"}};
};

enum class Effort : uint8_t { none, minimal, low, medium, high, xhigh, max };

template <>
struct EnumNames<Effort> {
  using E = Effort;
  static constexpr std::pair<E, std::string_view> names[] = {
      {E::none, "none"}, {E::minimal, "minimal"}, {E::low, "low"}, {E::medium, "medium"},
      {E::high, "high"}, {E::xhigh, "xhigh"},     {E::max, "max"}};
};

// How much the model may think first. Wishes: a model that knows no such control answers as it
// does; what a wire cannot say exactly, it says as nearly as it can.
struct ReasoningControls {
  std::optional<bool> enabled;
  std::optional<Effort> effort;
  std::optional<uint32_t> budget_tokens;
  bool is_off() const { return enabled == false || (!enabled && effort == Effort::none); }
  static void fields(auto& self, auto&& field) {
    field("enabled", self.enabled);
    field("effort", self.effort);
    field("budgetTokens", self.budget_tokens);
  }
};

// What the answer's text must be. Never a wish: who cannot keep it refuses.
struct ResponseFormat {
  enum class Kind : uint8_t { text, json_object, json_schema, regex, gbnf, structural_tag };
  Kind kind = Kind::text;
  std::string name;     // json_schema
  RawJson schema;       // json_schema; structural_tag: {"structures": [{"begin", "schema", "end"}],
                        // "triggers": [text]}, every "begin" starting with a trigger
  std::string pattern;  // regex; gbnf: the grammar
  std::optional<bool> is_strict;
  static void fields(auto& self, auto&& field) {
    field.or_default("kind", self.kind);
    field.or_default("name", self.name);
    field("schema", self.schema);
    field.or_default("pattern", self.pattern);
    field("strict", self.is_strict);
  }
};

template <>
struct EnumNames<ResponseFormat::Kind> {
  using K = ResponseFormat::Kind;
  static constexpr std::pair<K, std::string_view> names[] = {{K::text, "text"},
                                                             {K::json_object, "json_object"},
                                                             {K::json_schema, "json_schema"},
                                                             {K::regex, "regex"},
                                                             {K::gbnf, "gbnf"},
                                                             {K::structural_tag, "structural_tag"}};
};

// A place in a file to fill, for models that were trained on it: what stands before and behind, and
// what else of the repository may help.
struct Infill {
  struct File {
    std::string path, text;
    static void fields(auto& self, auto&& field) {
      field("path", self.path);
      field("text", self.text);
    }
  };
  std::string prefix, suffix;
  std::string begun;         // what the filling begins with
  std::vector<File> others;  // the most helpful last
  std::string path;          // of the file; "" when unknown
  std::string repository;    // its name
  static void fields(auto& self, auto&& field) {
    field("prefix", self.prefix);
    field("suffix", self.suffix);
    field.or_default("begun", self.begun);
    field("others", self.others);
    field.or_default("path", self.path);
    field.or_default("repository", self.repository);
  }
};

// A conversation (`messages`, rendered by the model's template with a generation prompt), a bare
// `prompt` (text after BOS, no template), or an `infill`.
struct CompletionRequest {
  std::vector<Message> messages;
  std::optional<std::string> prompt;
  std::vector<Token> prompt_tokens;  // instead of an empty prompt's text: ids, taken as they are
  bool echoes_prompt = false;        // of a bare prompt: the answer begins with it
  bool only_reads = false;           // of a bare prompt: nothing is answered
  std::optional<Infill> infill;
  std::vector<ToolSpec> tools;
  ToolChoice tool_choice;
  ReasoningControls reasoning;
  ResponseFormat response_format;
  RawJson template_variables;  // object, for the model's own template alone
  Sampling sampling;
  std::vector<std::string> stop;
  uint32_t max_tokens = 0;  // 0: up to the context
  bool ignore_eos = false;
  // Probabilities of the tokens of the answer, with those of so many others at each place. An
  // echoed prompt is computed whole for them, whatever is cached.
  std::optional<uint32_t> n_logprobs;
  // Of requests with the same lane only the newest is answered; it ends the one before it.
  std::string lane;
  bool explains_cache = false;  // tell what stood where the prompt left the way of what was cached
  static void fields(auto& self, auto&& field) {
    field("messages", self.messages);
    field("prompt", self.prompt);
    field.or_default("promptTokens", self.prompt_tokens);
    field.or_default("echo", self.echoes_prompt);
    field.or_default("onlyReads", self.only_reads);
    field("infill", self.infill);
    field("tools", self.tools);
    field.or_default("toolChoice", self.tool_choice);
    field.or_default("reasoning", self.reasoning);
    field.or_default("responseFormat", self.response_format);
    field("templateVariables", self.template_variables);
    field("sampling", self.sampling);
    field("stop", self.stop);
    field.or_default("maxTokens", self.max_tokens);
    field.or_default("ignoreEos", self.ignore_eos);
    field("logprobs", self.n_logprobs);
    field.or_default("lane", self.lane);
    field.or_default("explainsCache", self.explains_cache);
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
  uint32_t n_prompt = 0;      // all of it
  uint32_t n_cached = 0;      // of the prompt, not computed again
  uint32_t n_completion = 0;  // reasoning included
  uint32_t n_reasoning = 0;
  uint32_t n_cache_write = 0;     // of the prompt, put into a cache for some minutes
  uint32_t n_cache_write_1h = 0;  // of the prompt, put into a cache for an hour
  // In pico-dollars (1e-12 USD): as the provider reports it, then as the ledger has it.
  std::optional<int64_t> cost_pico{};
  // Billed at the plain price. The four parts of the prompt are disjoint and add up to it.
  uint32_t n_fresh() const { return n_prompt - n_cached - n_cache_write - n_cache_write_1h; }
  static void fields(auto& self, auto&& field) {
    field("promptTokens", self.n_prompt);
    field("cachedTokens", self.n_cached);
    field("completionTokens", self.n_completion);
    field("reasoningTokens", self.n_reasoning);
    field.or_default("cacheWriteTokens", self.n_cache_write);
    field.or_default("cacheWriteHourTokens", self.n_cache_write_1h);
    field("costPico", self.cost_pico);
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

// How probable a token was, by the model itself: before penalties, filters and grammars.
struct TokenLogprob {
  struct Candidate {
    Token token = 0;
    std::string text;   // its bytes, which need not be whole characters
    float logprob = 0;  // natural; NaN of a prompt's first token, which nothing is before
    static void fields(auto& self, auto&& field) {
      field("token", self.token);
      field("text", self.text);
      field("logprob", self.logprob);
    }
  };
  Candidate chosen;
  std::vector<Candidate> top;  // best first
  static void fields(auto& self, auto&& field) {
    field("chosen", self.chosen);
    field("top", self.top);
  }
};

// Where a prompt left the way of the one before it that it shares most with, and so had to be read
// anew.
struct CacheDivergence {
  uint32_t position = 0;  // of the first token that differs
  std::string cached;     // what stood there, some tokens of it; "" unless it was asked for
  std::string prompt;     // what stands there now
  static void fields(auto& self, auto&& field) {
    field("position", self.position);
    field("cached", self.cached);
    field("prompt", self.prompt);
  }
};

// One piece of an answer as it is made, in order. Text is always whole UTF-8 sequences. An opaque
// part belongs to the reasoning before it, where there is one.
struct StreamDelta {
  enum class Kind : uint8_t { text, reasoning, tool_call, progress, opaque };
  Kind kind = Kind::text;
  std::string text{};  // text, reasoning, arguments; opaque: JSON; progress: what is left out
  std::vector<Token> tokens{};           // local answers: the ids behind the text
  uint32_t tool_index = 0;               // tool_call: which call of this message
  std::string tool_id{};                 // tool_call: with its first piece
  std::string tool_name{};               // tool_call: with its first piece
  std::string provider{};                // opaque: who understands it
  std::vector<TokenLogprob> logprobs{};  // of the tokens, if they were asked for
  uint32_t n_done = 0;                   // progress: prompt tokens read so far
  uint32_t n_prompt = 0;                 // progress: of how many
  static void fields(auto& self, auto&& field) {
    field("kind", self.kind);
    field("text", self.text);
    field("tokens", self.tokens);
    field.or_default("logprobs", self.logprobs);
    field("toolIndex", self.tool_index);
    field("toolId", self.tool_id);
    field("toolName", self.tool_name);
    field.or_default("provider", self.provider);
    field("done", self.n_done);
    field("promptTokens", self.n_prompt);
  }
};

template <>
struct EnumNames<StreamDelta::Kind> {
  static constexpr std::pair<StreamDelta::Kind, std::string_view> names[] = {
      {StreamDelta::Kind::text, "text"},           {StreamDelta::Kind::reasoning, "reasoning"},
      {StreamDelta::Kind::tool_call, "tool_call"}, {StreamDelta::Kind::progress, "progress"},
      {StreamDelta::Kind::opaque, "opaque"},
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
  std::vector<TokenLogprob> logprobs;
  std::optional<CacheDivergence> divergence;
  std::vector<std::string> moved_lines;  // of the prompt, to its end: as the settings asked for
};

// What becomes of a request.
using Answer = Result<Completion, Failure>;

// Folds deltas into the message that they amount to (consecutive text into one block, and so on).
void append(Message& message, const StreamDelta& delta);

}  // namespace hearth
