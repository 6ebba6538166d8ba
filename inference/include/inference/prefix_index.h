// Which beginnings of prompts lie in the KV cache: hash of the beginning (forecast.h) and of the
// model -> how many tokens it has and how many of them are cached. Part of the engine's snapshot.
//
// A hash table of sets of four in shared memory, without locks: the engine thread writes, any
// number of readers look. A reader may meet an entry that is being replaced, or one that a hostile
// engine made up: what it gets is a guess either way, and bounded by who uses it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hearth::engine {

class PrefixIndex {
 public:
  struct Known {
    uint32_t n_tokens = 0, n_cached = 0;
  };
  static constexpr uint32_t kEntries = 8192;

  static uint64_t key(uint64_t point, std::string_view model);

  std::optional<Known> find(uint64_t key) const;

  // The engine's side. put() replaces the set's oldest entry and returns its place.
  uint32_t put(uint64_t key, Known known);
  // False when another has taken the place.
  bool shrink(uint32_t place, uint64_t key, uint32_t n_cached);

 private:
  static constexpr uint32_t kWays = 4;
  struct Entry {
    std::atomic<uint64_t> key{0};
    std::atomic<uint64_t> counts{0};  // tokens << 32 | cached
    std::atomic<uint64_t> written{0};
  };
  Entry entries_[kEntries];
  std::atomic<uint64_t> n_written_{0};
};

}  // namespace hearth::engine
