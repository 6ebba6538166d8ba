#include "engine/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth::engine {

namespace {

constexpr uint32_t kMaxContextsInPool = 8;
constexpr uint32_t kSequencesWithWindows = 16;
constexpr uint64_t kShareOfWindows = 8;  // of what is available: one part in so many

std::string mib(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

uint64_t pages_for(uint64_t n_tokens, uint32_t page_tokens) {
  return (n_tokens + page_tokens - 1) / page_tokens;
}

// Window parts for a pool of so many pages: as many, or what kSequencesWithWindows hold together;
// fewer sequences where the parts are large, as the states of recurrent layers are.
uint64_t windows_for(uint64_t n_pages, const MemoryNeeds& needs) {
  if (needs.window_bytes == 0) return 0;
  uint64_t n_sequences = kSequencesWithWindows;
  const uint64_t per_sequence = needs.windows_per_sequence * needs.window_bytes;
  while (n_sequences > 1 && n_sequences * per_sequence > needs.available_bytes / kShareOfWindows)
    n_sequences /= 2;
  return std::min(n_pages, n_sequences * needs.windows_per_sequence);
}

uint64_t kv_bytes(uint64_t n_pages, const MemoryNeeds& needs) {
  return n_pages * needs.page_bytes + windows_for(n_pages, needs) * needs.window_bytes;
}

// The most pages, up to `most`, whose KV takes at most `bytes`.
uint64_t pages_within(uint64_t bytes, uint64_t most, const MemoryNeeds& needs) {
  uint64_t fits = 0;
  while (fits < most) {
    const uint64_t middle = most - (most - fits) / 2;
    if (kv_bytes(middle, needs) <= bytes)
      fits = middle;
    else
      most = middle - 1;
  }
  return fits;
}

}  // namespace

Result<MemoryPlan> plan_memory(const MemoryNeeds& needs) {
  const uint64_t fixed = needs.weights_bytes + needs.workspace_bytes;
  const uint64_t left = needs.available_bytes - std::min(needs.available_bytes, fixed);
  const uint64_t n_wanted = pages_for(needs.n_context_wanted, needs.page_tokens);
  const uint64_t n_fitting = pages_within(left, n_wanted, needs);
  const uint32_t n_least = std::min(kMinContext, needs.n_context_wanted);

  if (n_fitting < pages_for(n_least, needs.page_tokens)) {
    uint64_t kv = kv_bytes(pages_for(n_least, needs.page_tokens), needs);
    return Error{
        Errc::over_budget,
        fmt::format("{}: needs {} (weights {}, workspace {}, KV cache of {} tokens {}), "
                    "available {}",
                    needs.model, mib(fixed + kv), mib(needs.weights_bytes),
                    mib(needs.workspace_bytes), n_least, mib(kv), mib(needs.available_bytes))};
  }

  MemoryPlan plan;
  if (n_wanted <= n_fitting) {
    plan.n_context = needs.n_context_wanted;
    plan.n_pages = static_cast<uint32_t>(n_wanted);
  } else {
    plan.n_pages = static_cast<uint32_t>(n_fitting);
    plan.n_context = plan.n_pages * needs.page_tokens;
    plan.notes.push_back(fmt::format(
        "context reduced from {} to {} tokens: weights and workspace take {} of the available {}, "
        "and a token's KV cache {:.1f} KiB",
        needs.n_context_wanted, plan.n_context, mib(fixed), mib(needs.available_bytes),
        static_cast<double>(needs.page_bytes + needs.window_bytes) / needs.page_tokens / 1024));
  }
  for (uint32_t n = 2; n <= kMaxContextsInPool; n *= 2) {
    if (n_wanted * n > UINT32_MAX) break;
    if (fixed + kv_bytes(n_wanted * n, needs) > needs.available_bytes / 2) break;
    plan.n_pages = static_cast<uint32_t>(n_wanted * n);
  }
  plan.n_windows = static_cast<uint32_t>(windows_for(plan.n_pages, needs));
  plan.kv_bytes = kv_bytes(plan.n_pages, needs);
  return plan;
}

}  // namespace hearth::engine
