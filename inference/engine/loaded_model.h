// Everything that one loaded model needs to answer: file, tokenizer, template, weights, KV pool.
//
// On the heap (parts borrow from each other); owned by the Engine. Made on the loader's thread;
// then tokenizer, template and recent answers belong to every thread, the grammars to the
// preparer's, the rest to the engine thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "cache/kv_cache.h"
#include "cache/prefix_tree.h"
#include "chat/chat_template.h"
#include "dialects/dialect.h"
#include "engine/grammars.h"
#include "engine/recent_answers.h"
#include "gguf/reader.h"
#include "graph/model.h"
#include "inference/engine_messages.h"
#include "tokenizer/fim.h"
#include "tokenizer/tokenizer.h"

namespace hearth::engine {

// What all models together may take when no setting says so: what can be used of the machine's
// memory or the cgroup's limit, less a margin.
uint64_t default_memory_bytes(uint64_t usable_bytes);

inline constexpr uint32_t kStepRows = 256;   // tokens computed in one forward pass, at most
inline constexpr uint32_t kMaxRunning = 64;  // sequences in one forward pass, at most
inline constexpr uint32_t kScoredRows = 32;  // of prompts, in one pass: each has logits of its own

// Window parts of pages that a running sequence holds at most: what its window reaches, a page more
// that the prefix tree may want, and what one step computes.
inline uint32_t windows_per_sequence(const KvShape& shape) {
  return shape.window() > 0 ? pages_for(shape.window()) + 2 + pages_for(kStepRows) : 0;
}

struct LoadedModel {
  // Checks, plans the memory and reserves it; nothing is left behind on an error. `taken_bytes` are
  // those that other loaded models were planned with.
  static Result<std::unique_ptr<LoadedModel>> load(const Load& request, Backend& backend,
                                                   uint64_t taken_bytes);

  std::string name;
  ModelSettings settings;

  gguf::File file;
  std::unique_ptr<const Tokenizer> tokenizer;  // the template borrows it
  ChatTemplate chat_template;
  const dialects::Dialect& dialect;
  std::unique_ptr<Grammars> grammars;
  std::optional<FimTokens> fim;  // nothing: it was not trained to fill gaps
  Model model;
  KvCache cache;
  PrefixTree prefixes{cache};
  RecentAnswers answers{};

  ModelFacts facts;
  Sampling sampling_defaults;
  std::vector<Token> end_tokens;  // what ignoreEos has to exclude
  uint64_t planned_bytes = 0;     // weights, workspace and the whole KV pool
  uint32_t n_vocab = 0;           // tokens that have a text; rows of logits may be padded past it
};

}  // namespace hearth::engine
