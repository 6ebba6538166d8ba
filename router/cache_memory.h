// The chance that a provider still holds a prompt that it read some time ago.
//
// A Beta posterior for each provider and bucket of idle time, from what providers report as found
// in their caches. The prior is what they promise: nearly always within the life of an entry,
// seldom beyond it, never long beyond it, whatever was seen. The engine needs none of this: it
// knows what it holds.
//
// Plain data; lives on one thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace hearth::router {

class CacheMemory {
 public:
  // Of a prompt that was read there so long ago. `life_s`: of an entry, where somebody knows better
  // than what the provider is known for.
  double chance(std::string_view provider, int64_t idle_ms,
                std::optional<uint32_t> life_s = std::nullopt) const;
  // What became of it: a share of the tokens that could have been found.
  void learn(std::string_view provider, int64_t idle_ms, double share_found);

  // What an entry's life is said to be.
  static int64_t life_ms(std::string_view provider);

 private:
  static constexpr size_t kBuckets = 8;
  struct Counts {
    double found = 0, lost = 0;
  };
  static size_t bucket_of(int64_t idle_ms);
  std::map<std::string, std::array<Counts, kBuckets>, std::less<>> seen_;
};

}  // namespace hearth::router
