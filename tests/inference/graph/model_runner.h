// A loaded model with its own backend and cache, run one batch or one whole sequence at a time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "graph/model.h"

namespace hearth::testing {

class ModelRunner {
 public:
  struct Options {
    bool exact = false;
    KvElement element = KvElement::f32;
    uint32_t n_pages = 32;
    uint32_t n_threads = 2;
    cpu::Path path = cpu::best_path();
  };
  explicit ModelRunner(const gguf::File& file) : ModelRunner(file, Options{}) {}
  ModelRunner(const gguf::File& file, const Options& options)
      : backend_(options.n_threads, options.path, options.exact),
        model_(Model::load(file, backend_)),
        cache_(model_ ? KvCache::create(kv_shape(model_->plan(), options.element), options.n_pages)
                      : model_.error()) {
    EXPECT_TRUE(cache_) << (cache_ ? "" : cache_.error().message);
  }

  Model& model() { return *model_; }
  KvCache& cache() { return *cache_; }

  // An empty sequence with room for n_tokens; its index.
  uint32_t add_sequence(size_t n_tokens) {
    std::vector<PageIndex> table;
    for (size_t i = 0; i < n_tokens; i += kPageTokens) {
      table.push_back(*cache_->acquire());
      cache_->hold_window(table.back());
    }
    tables_.push_back(std::move(table));
    return static_cast<uint32_t>(tables_.size() - 1);
  }

  Result<> forward(std::span<const BatchRow> rows, std::vector<float>& logits) {
    return model_->forward({rows, tables_}, *cache_, logits);
  }

  // Logits of every position, computed `chunk` tokens at a time.
  std::vector<float> logits_of(std::span<const Token> tokens, size_t chunk = 512) {
    const uint32_t sequence = add_sequence(tokens.size());
    std::vector<float> all, logits;
    for (size_t start = 0; start < tokens.size(); start += chunk) {
      std::vector<BatchRow> rows;
      for (size_t i = start; i < std::min(start + chunk, tokens.size()); ++i)
        rows.push_back({tokens[i], static_cast<uint32_t>(i), sequence, true});
      const Result<> done = forward(rows, logits);
      EXPECT_TRUE(done) << (done ? "" : done.error().message);
      all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
  }

 private:
  cpu::CpuBackend backend_;
  Result<Model> model_;
  Result<KvCache> cache_;
  std::vector<std::vector<PageIndex>> tables_;
};

// n token ids below n_vocab, always the same.
inline std::vector<Token> some_tokens(size_t n, uint32_t n_vocab, uint32_t seed = 7) {
  std::vector<Token> tokens;
  for (uint32_t state = seed; tokens.size() < n;) {
    state = state * 1664525 + 1013904223;
    tokens.push_back(static_cast<Token>((state >> 8) % n_vocab));
  }
  return tokens;
}

}  // namespace hearth::testing
