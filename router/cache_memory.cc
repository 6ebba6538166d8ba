#include "cache_memory.h"

#include <algorithm>

namespace hearth::router {

namespace {

struct Life {
  std::string_view provider;
  int64_t minutes;
};
// As documented; who is not listed promises nothing, and mostly keeps some minutes.
constexpr Life kLives[] = {
    {"anthropic", 5}, {"openai", 10},    {"gemini", 5},    {"deepseek", 120},
    {"dashscope", 5}, {"openrouter", 5}, {"moonshot", 30}, {"zai", 30},
};
constexpr int64_t kUsualMinutes = 5;
constexpr double kNeverBeyond = 4;  // lives; deepseek and its like say hours and mean hours

// Upper ends of the buckets of idle time.
constexpr int64_t kBucketMs[] = {30'000,    120'000,   290'000,    600'000,
                                 1'800'000, 3'600'000, 14'400'000, INT64_MAX};
constexpr double kPriorWeight = 10, kWithin = 0.95, kBeyond = 0.05;
constexpr double kMostSeen = 200;  // what is older than so many outcomes fades

}  // namespace

int64_t CacheMemory::life_ms(std::string_view provider) {
  for (const Life& life : kLives)
    if (life.provider == provider) return life.minutes * 60'000;
  return kUsualMinutes * 60'000;
}

size_t CacheMemory::bucket_of(int64_t idle_ms) {
  return static_cast<size_t>(std::ranges::lower_bound(kBucketMs, idle_ms) - kBucketMs);
}

double CacheMemory::chance(std::string_view provider, int64_t idle_ms,
                           std::optional<uint32_t> life_s) const {
  const auto life = life_s ? 1000.0 * *life_s : static_cast<double>(life_ms(provider));
  if (static_cast<double>(idle_ms) > kNeverBeyond * life) return 0;
  const double prior = static_cast<double>(idle_ms) <= life ? kWithin : kBeyond;
  Counts counts;
  if (auto found = seen_.find(provider); found != seen_.end())
    counts = found->second[bucket_of(idle_ms)];
  return (kPriorWeight * prior + counts.found) / (kPriorWeight + counts.found + counts.lost);
}

void CacheMemory::learn(std::string_view provider, int64_t idle_ms, double share_found) {
  Counts& counts = seen_[std::string(provider)][bucket_of(idle_ms)];
  const double share = std::clamp(share_found, 0.0, 1.0);
  counts.found += share;
  counts.lost += 1 - share;
  if (const double n = counts.found + counts.lost; n > kMostSeen) {
    counts.found *= kMostSeen / n;
    counts.lost *= kMostSeen / n;
  }
}

}  // namespace hearth::router
