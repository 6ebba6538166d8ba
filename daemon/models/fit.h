// Whether a stored model fits this machine: its weights, and the KV cache of the context that it
// was trained for. An estimate from what `hearth pull` noted; the engine decides when it loads the
// model. Pure, any thread.
#pragma once

#include <cstdint>

#include "models/store.h"

namespace hearth::models {

struct Fit {
  uint64_t needed_bytes = 0;  // with the whole context
  uint64_t n_context = 0;     // that fits, at most the model's own; 0: unknown, or it does not fit
  bool is_possible = false;   // with a context of some use
};

// `memory_bytes`: what models may take. A model whose KV size is unknown is judged by its weights.
Fit fit(const StoredModel& model, uint64_t memory_bytes);

uint64_t size_of(const StoredModel& model);  // of all its files

}  // namespace hearth::models
