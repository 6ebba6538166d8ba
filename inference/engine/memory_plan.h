// How much context a model gets, decided before anything is allocated.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/result.h"

namespace hearth::engine {

struct MemoryNeeds {
  std::string model;             // for messages
  uint64_t available_bytes = 0;  // for all of what follows
  uint64_t weights_bytes = 0;
  uint64_t workspace_bytes = 0;       // activations and logits of a full batch
  uint64_t page_bytes = 0;            // KV of one page, in the layers that see everything
  uint64_t window_bytes = 0;          // and in those that see a window; 0: there are none
  uint32_t windows_per_sequence = 0;  // window parts that a running sequence holds at most
  uint32_t page_tokens = 0;
  uint32_t n_context_wanted = 0;
};

struct MemoryPlan {
  uint32_t n_context = 0;
  uint32_t n_pages = 0;            // of the pool that all sequences share
  uint32_t n_windows = 0;          // window parts of pages
  uint64_t kv_bytes = 0;           // of both
  std::vector<std::string> notes;  // decisions a user may wonder about
};

// The wanted context when it fits, else the largest that does, with a note that says both numbers;
// Errc::over_budget with needed and available when not even kMinContext tokens fit. Beyond one
// context the pool grows to serve several long requests at once and to keep prefixes, while
// everything together stays below half of what is available.
inline constexpr uint32_t kMinContext = 512;
Result<MemoryPlan> plan_memory(const MemoryNeeds& needs);

}  // namespace hearth::engine
