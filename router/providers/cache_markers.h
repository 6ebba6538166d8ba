// Where a prompt's prefix is to be kept, for providers that want to be told.
//
// Their rules are Anthropic's: at most four marks, each at the end of a part; what lies before a
// mark is written once at a higher price and read again at a tenth of it; a prefix shorter than a
// minimum is not kept. Marks stand at the end of the instructions and of the last turns: in the
// next request the same places are marked or lie before a mark, so that it finds them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "support/json.h"

namespace hearth::router {

// A place that may be marked.
struct CacheSpot {
  json::Object* part = nullptr;
  uint64_t n_bytes_before = 0;  // of the prompt, this part included
  bool is_stable = false;       // the end of the instructions
};

inline constexpr size_t kMaxCacheMarks = 4;

// In the order of the prompt. Marks at most four, none before the minimum.
void mark_cache(const std::vector<CacheSpot>& spots, uint64_t min_tokens);

// The mark of a part, for "5m" or "1h".
json::Object cache_mark(std::string_view life = "5m");

// What a model of Claude's family keeps at least; of others, the usual 1,024.
uint64_t min_cached_tokens(std::string_view model);

}  // namespace hearth::router
