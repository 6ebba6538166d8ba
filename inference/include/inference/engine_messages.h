// What daemon and engine child say to each other over the socketpair.
//
// Frame: u32 size of what follows (little-endian, at most kMaxFrameBytes; from the engine less), u8
// index into ToEngine or FromEngine, the record in binary.h's encoding. Canonical messages go in,
// deltas and counts come out: tokenizer, template, sampler and stop strings live in the child,
// since vocabulary and template are hostile bytes.
//
// Order: events of one request arrive in the order Accepted, Delta*, then exactly one of
// Done or Failed. A Cancel is answered by Done with finish_reason cancelled (or crosses with it).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "inference/completion.h"
#include "inference/message.h"

namespace hearth::engine {

inline constexpr size_t kMaxFrameBytes = 64u << 20;
// What the engine says is short, and what it may claim, too; all but the answer to a query. The
// engine refuses a query whose answer would be longer.
inline constexpr size_t kMaxEventBytes = 1u << 20, kMaxAnswerBytes = 16u << 20;

enum class KvType : uint8_t { automatic, f32, f16, q8_0 };

}  // namespace hearth::engine

namespace hearth {
template <>
struct EnumNames<engine::KvType> {
  static constexpr std::pair<engine::KvType, std::string_view> names[] = {
      {engine::KvType::automatic, "auto"},
      {engine::KvType::f32, "f32"},
      {engine::KvType::f16, "f16"},
      {engine::KvType::q8_0, "q8_0"},
  };
};
}  // namespace hearth

namespace hearth::engine {

// Per-model settings of the config; 0 and automatic mean: decide from the model and the machine.
struct ModelSettings {
  uint32_t n_context = 0;  // tokens; 0: the model's own when memory allows, else what fits
  KvType kv_type = KvType::automatic;  // f16
  uint32_t n_threads = 0;              // 0: physical cores allowed by affinity and cgroup
  uint64_t memory_bytes = 0;  // cap on weights + KV + workspace; 0: what the machine allows
  static void fields(auto& self, auto&& field) {
    field.or_default("context", self.n_context);
    field.or_default("kvType", self.kv_type);
    field.or_default("threads", self.n_threads);
    field.or_default("memoryBytes", self.memory_bytes);
  }
};

// ---- daemon -> engine ----

struct Load {
  std::string model;  // the name used in everything that follows
  std::string path;   // GGUF, first shard when split
  ModelSettings settings;
  static void fields(auto& self, auto&& field) {
    field("model", self.model);
    field("path", self.path);
    field("settings", self.settings);
  }
};

struct Unload {
  std::string model;
  static void fields(auto& self, auto&& field) { field("model", self.model); }
};

struct Generate {
  uint64_t request = 0;  // chosen by the daemon, never reused
  std::string model;
  CompletionRequest body;
  static void fields(auto& self, auto&& field) {
    field("request", self.request);
    field("model", self.model);
    field("body", self.body);
  }
};

struct Cancel {
  uint64_t request = 0;
  static void fields(auto& self, auto&& field) { field("request", self.request); }
};

// What a loaded model makes of texts, without generating.
struct Query {
  enum class Kind : uint8_t { tokenize, detokenize, render, embed, facts };
  uint64_t request = 0;  // as of Generate
  std::string model;
  Kind kind = Kind::tokenize;
  std::vector<std::string> texts;  // tokenize: one; embed: each gives a vector
  std::vector<Token> tokens;       // detokenize; embed, in place of texts
  CompletionRequest body;          // render: messages, tools and template variables
  bool adds_special = false;       // tokenize: tokens that begin and end a text
  bool parses_special = true;      // tokenize: control tokens that the text spells
  bool wants_pieces = false;       // tokenize: the bytes of each token, too
  static void fields(auto& self, auto&& field) {
    field("request", self.request);
    field("model", self.model);
    field("kind", self.kind);
    field("texts", self.texts);
    field("tokens", self.tokens);
    field("body", self.body);
    field("addsSpecial", self.adds_special);
    field("parsesSpecial", self.parses_special);
    field("wantsPieces", self.wants_pieces);
  }
};

using ToEngine = std::variant<Load, Unload, Generate, Cancel, Query>;

// ---- engine -> daemon ----

struct ModelFacts {
  std::string architecture;
  std::string name;        // general.name
  uint32_t n_context = 0;  // in use
  uint32_t n_context_train = 0;
  uint64_t weights_bytes = 0;
  uint64_t kv_bytes = 0;  // for the whole pool
  uint32_t n_vocab = 0;
  uint32_t n_threads = 0;
  std::string cpu_path;  // "scalar", "avx2", "avx512"
  bool has_template = false;
  bool switches_thinking = false;  // its template knows enable_thinking
  bool knows_effort = false;       // and reasoning_effort
  std::vector<std::string> notes;  // decisions a user may wonder about ("context reduced to ...")
  static void fields(auto& self, auto&& field) {
    field("architecture", self.architecture);
    field("name", self.name);
    field("context", self.n_context);
    field("contextTrain", self.n_context_train);
    field("weightsBytes", self.weights_bytes);
    field("kvBytes", self.kv_bytes);
    field("vocab", self.n_vocab);
    field("threads", self.n_threads);
    field("cpuPath", self.cpu_path);
    field("hasTemplate", self.has_template);
    field("switchesThinking", self.switches_thinking);
    field("knowsEffort", self.knows_effort);
    field("notes", self.notes);
  }
};

struct Loaded {
  std::string model;
  ModelFacts facts;
  double load_ms = 0;
  static void fields(auto& self, auto&& field) {
    field("model", self.model);
    field("facts", self.facts);
    field("loadMs", self.load_ms);
  }
};

struct LoadFailed {
  std::string model;
  Error error;
  static void fields(auto& self, auto&& field) {
    field("model", self.model);
    field("error", self.error);
  }
};

struct Unloaded {
  std::string model;
  static void fields(auto& self, auto&& field) { field("model", self.model); }
};

struct Accepted {
  uint64_t request = 0;
  uint32_t n_prompt = 0;  // tokens of the rendered prompt
  uint32_t n_cached = 0;  // of those, already in the KV cache
  static void fields(auto& self, auto&& field) {
    field("request", self.request);
    field("promptTokens", self.n_prompt);
    field("cachedTokens", self.n_cached);
  }
};

// One piece of the answer, in order. While a prompt is being read, progress at most every 500 ms;
// text that may turn out to be a stop string is held back.
struct Delta {
  uint64_t request = 0;
  StreamDelta delta;
  static void fields(auto& self, auto&& field) {
    field("request", self.request);
    field("delta", self.delta);
  }
};

struct Done {
  uint64_t request = 0;
  FinishReason finish_reason = FinishReason::stop;
  std::optional<std::string> stop_string;  // which one ended it
  Usage usage;
  Timings timings;
  uint64_t seed = 0;
  std::optional<CacheDivergence> divergence;
  static void fields(auto& self, auto&& field) {
    field("request", self.request);
    field("finishReason", self.finish_reason);
    field("stopString", self.stop_string);
    field("usage", self.usage);
    field("timings", self.timings);
    field("seed", self.seed);
    field("divergence", self.divergence);
  }
};

// context_exceeded carries both numbers, for wires that must state them.
struct Failed {
  uint64_t request = 0;
  Error error;
  uint32_t n_prompt = 0;
  uint32_t n_context = 0;
  static void fields(auto& self, auto&& field) {
    field("request", self.request);
    field("error", self.error);
    field("promptTokens", self.n_prompt);
    field("context", self.n_context);
  }
};

// What a query asked for; Failed answers it otherwise.
struct Answered {
  uint64_t request = 0;
  std::string text;                            // detokenize, render; facts: the template
  std::vector<Token> tokens;                   // tokenize, render
  std::vector<std::string> pieces;             // tokenize, where wanted: the bytes of each
  std::vector<std::vector<float>> embeddings;  // of unit length
  uint32_t n_tokens = 0;                       // embed: of all texts
  static void fields(auto& self, auto&& field) {
    field("request", self.request);
    field("text", self.text);
    field("tokens", self.tokens);
    field("pieces", self.pieces);
    field("embeddings", self.embeddings);
    field("tokenCount", self.n_tokens);
  }
};

using FromEngine =
    std::variant<Loaded, LoadFailed, Unloaded, Accepted, Delta, Done, Failed, Answered>;

// One frame for the wire, size prefix included.
std::string encode_frame(const ToEngine& message);
std::string encode_frame(const FromEngine& message);

// The payload of one frame, without its size prefix.
Result<ToEngine> decode_to_engine(std::string_view payload);
Result<FromEngine> decode_from_engine(std::string_view payload);

}  // namespace hearth::engine
