#include "engine/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth::engine {

namespace {

constexpr uint32_t kMaxContextsInPool = 8;

std::string mib(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

uint64_t pages_for(uint64_t n_tokens, uint32_t page_tokens) {
  return (n_tokens + page_tokens - 1) / page_tokens;
}

}  // namespace

Result<MemoryPlan> plan_memory(const MemoryNeeds& needs) {
  const uint64_t fixed = needs.weights_bytes + needs.workspace_bytes;
  const uint64_t left = needs.available_bytes - std::min(needs.available_bytes, fixed);
  const uint64_t n_fitting = left / needs.page_bytes;
  const uint64_t n_wanted = pages_for(needs.n_context_wanted, needs.page_tokens);
  const uint32_t n_least = std::min(kMinContext, needs.n_context_wanted);

  if (n_fitting < pages_for(n_least, needs.page_tokens)) {
    uint64_t kv = pages_for(n_least, needs.page_tokens) * needs.page_bytes;
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
        static_cast<double>(needs.page_bytes) / needs.page_tokens / 1024));
  }
  for (uint32_t n = 2; n <= kMaxContextsInPool; n *= 2) {
    if (n_wanted * n > UINT32_MAX) break;
    if (fixed + n_wanted * n * needs.page_bytes > needs.available_bytes / 2) break;
    plan.n_pages = static_cast<uint32_t>(n_wanted * n);
  }
  return plan;
}

}  // namespace hearth::engine
