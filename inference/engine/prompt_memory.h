// Keeps the published index of prompts (inference/prefix_index.h) true: which beginnings of
// requests lie in a model's KV cache, told by the prefix tree, and how many tokens their texts
// have.
//
// Lives on the engine thread, beside the Scheduler; borrows the tree and the index.
#pragma once

#include <span>

#include "cache/prefix_tree.h"
#include "engine/fit.h"
#include "engine/sequence.h"
#include "inference/engine_snapshot.h"

namespace hearth::engine {

class PromptMemory {
 public:
  // index null: nobody forecasts.
  PromptMemory(std::string model, PrefixTree& prefixes, PrefixIndex* index);

  // The prompt of a sequence has been computed and inserted.
  void read(const Sequence& sequence);
  // It has been answered, and what of it was computed lies in the tree.
  void answered(const Sequence& sequence);

  void add_to(ModelSnapshot& snapshot) const;

 private:
  void remember(uint64_t point, std::span<const Token> tokens);

  const std::string model_;
  PrefixTree& prefixes_;
  PrefixIndex* const index_;
  Fit<TextModel::kTerms> text_;
  double prepare_ms_per_token_ = 0;
};

}  // namespace hearth::engine
