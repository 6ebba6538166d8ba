#include "providers/cache_markers.h"

#include <algorithm>

namespace hearth::router {

namespace {

constexpr uint64_t kBytesPerToken = 4;  // of prose; code has fewer, so that this errs to no mark

}  // namespace

void mark_cache(const std::vector<CacheSpot>& spots, uint64_t min_tokens) {
  std::vector<json::Object*> marked;
  auto is_long_enough = [&](const CacheSpot& spot) {
    return spot.part && spot.n_bytes_before / kBytesPerToken >= min_tokens;
  };
  for (const CacheSpot& spot : spots)
    if (spot.is_stable && is_long_enough(spot) && marked.empty()) marked.push_back(spot.part);
  for (auto spot = spots.rbegin(); spot != spots.rend() && marked.size() < kMaxCacheMarks; ++spot)
    if (!spot->is_stable && is_long_enough(*spot)) marked.push_back(spot->part);
  for (json::Object* part : marked) (*part)["cache_control"] = cache_mark();
}

json::Object cache_mark(std::string_view life) {
  json::Object mark{{"type", "ephemeral"}};
  if (life == "1h") mark["ttl"] = "1h";
  return mark;
}

uint64_t min_cached_tokens(std::string_view model) {
  if (size_t slash = model.rfind('/'); slash != model.npos) model.remove_prefix(slash + 1);
  constexpr std::pair<std::string_view, uint64_t> kLeast[] = {
      {"claude-opus-5", 512},     {"claude-fable-5", 512},   {"claude-opus-4-8", 2048},
      {"claude-haiku-4-5", 4096}, {"claude-opus-4-5", 4096}, {"claude-opus-4-6", 4096},
  };
  for (const auto& [prefix, n_tokens] : kLeast)
    if (model.starts_with(prefix)) return n_tokens;
  return 1024;
}

}  // namespace hearth::router
