// How long the engine will take over a request, computed by whoever asks from what the engine has
// published in shared memory: it is never asked, so a busy engine delays no forecast.
//
//   PromptPoints points = points_of(request);           // once for each request
//   auto estimate = engine.estimate("coder", request, points);
//
// Three models, each fitted online by the engine (engine/fit.h): what a forward pass costs, how
// many tokens a text has, and which beginnings of conversations lie in the KV cache
// (prefix_index.h). Texts are hashed here, never tokenized.
//
// Plain data and pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "inference/completion.h"

namespace hearth::engine {

struct ModelSnapshot;
class PrefixIndex;

// An expectation and one standard deviation.
struct Band {
  double mean = 0, sd = 0;
};

struct Estimate {
  uint32_t n_prompt = 0;  // tokens
  uint32_t n_cached = 0;  // of those, not computed again
  double queue_ms = 0;    // of the time to the first token: others' prompts in front
  Band ttft_ms;           // to the first token
  Band token_ms;          // for each one after it
};

// ---- what a forward pass costs ----

struct StepWork {
  double prefill_rows = 0;
  double prefill_context = 0;  // sum over those rows of the positions they see
  double decode_rows = 0;
  double decode_context = 0;
  bool wants_logits = false;
};

struct StepModel {
  static constexpr size_t kTerms = 6;
  double ms[kTerms] =
      {};               // of a pass, of its logits, a prefill row, 1000 positions it sees, decode
  double sd = 0;        // of a step, relative
  uint32_t n_seen = 0;  // steps it was fitted to
};
using StepTerms = double[StepModel::kTerms];
void terms_of(const StepWork& work, StepTerms& terms);
double ms_of(const StepModel& model, const StepWork& work);

// ---- how many tokens a text has ----

// What of a text decides that, for tokenizers that split it at words.
struct TextShape {
  double words = 0;                                      // runs of letters
  double letters = 0;                                    // beyond the sixth of a word
  double digits = 0, marks = 0, spaces = 0, others = 0;  // others: bytes beyond ASCII
  double messages = 0;
  TextShape& operator+=(const TextShape& other);
};
TextShape shape_of(std::string_view text);

struct TextModel {
  static constexpr size_t kTerms = 7;
  double tokens[kTerms] = {1.05, 0.12, 0.6, 0.75, 0.1, 0.4, 5};  // until it was fitted
  double sd = 0.2;
  uint32_t n_seen = 0;
};
using TextTerms = double[TextModel::kTerms];
void terms_of(const TextShape& shape, TextTerms& terms);
double tokens_of(const TextModel& model, const TextShape& shape);

// ---- beginnings of a prompt ----

// Hashes of the beginnings of a prompt at which another one may end or part: [0] before the first
// message (the tools), [i] after message i. Of a bare prompt: after each kPromptStep bytes, and
// all. What is not shown to the model, or differs when an answer comes back in the next request
// (reasoning, ids), is left out.
struct PromptPoints {
  std::vector<uint64_t> hashes;
};
inline constexpr size_t kPromptStep = 4096;
PromptPoints points_of(const CompletionRequest& request);
uint64_t extended(uint64_t point, const Message& message);

// Of what lies between point i - 1 and point i, for each i.
TextShape shape_between(const CompletionRequest& request, size_t point);

// Nothing while the engine has not yet measured itself with this model, of prompts of ids, and of
// those that are scored.
std::optional<Estimate> estimate(const ModelSnapshot& model, const PrefixIndex& index,
                                 const CompletionRequest& request, const PromptPoints& points);

}  // namespace hearth::engine
