#include "models/fit.h"

#include <algorithm>

namespace hearth::models {

namespace {

constexpr uint64_t kShortestContext = 512;  // with less the engine refuses to load

}  // namespace

uint64_t size_of(const StoredModel& model) {
  uint64_t n_bytes = 0;
  for (const StoredFile& file : model.files) n_bytes += file.size_bytes;
  return n_bytes;
}

Fit fit(const StoredModel& model, uint64_t memory_bytes) {
  const uint64_t weights = size_of(model);
  const uint64_t n_context = model.n_context_train;
  Fit result;
  result.needed_bytes = weights + n_context * model.kv_token_bytes;
  if (weights > memory_bytes) return result;
  const uint64_t left = memory_bytes - weights;
  const uint64_t n_fitting =
      model.kv_token_bytes ? std::min(n_context, left / model.kv_token_bytes) : n_context;
  result.is_possible = n_fitting >= std::min(n_context, kShortestContext);
  if (result.is_possible) result.n_context = n_fitting;
  return result;
}

}  // namespace hearth::models
