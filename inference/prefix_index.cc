#include "inference/prefix_index.h"

namespace hearth::engine {

uint64_t PrefixIndex::key(uint64_t point, std::string_view model) {
  uint64_t hash = point ^ 0x9e3779b97f4a7c15;
  for (const char c : model) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  hash ^= hash >> 29;
  return hash == 0 ? 1 : hash;  // 0: an empty entry
}

std::optional<PrefixIndex::Known> PrefixIndex::find(uint64_t key) const {
  const Entry* set = entries_ + key % (kEntries / kWays) * kWays;
  for (const Entry* entry = set; entry != set + kWays; ++entry) {
    if (entry->key.load(std::memory_order_acquire) != key) continue;
    const uint64_t counts = entry->counts.load(std::memory_order_acquire);
    if (entry->key.load(std::memory_order_relaxed) != key) continue;
    return Known{static_cast<uint32_t>(counts >> 32), static_cast<uint32_t>(counts)};
  }
  return std::nullopt;
}

uint32_t PrefixIndex::put(uint64_t key, Known known) {
  Entry* const set = entries_ + key % (kEntries / kWays) * kWays;
  Entry* at = set;
  for (Entry* entry = set; entry != set + kWays; ++entry) {
    if (entry->key.load(std::memory_order_relaxed) == key) {
      at = entry;
      break;
    }
    if (entry->written.load(std::memory_order_relaxed) <
        at->written.load(std::memory_order_relaxed))
      at = entry;
  }
  if (at->key.load(std::memory_order_relaxed) != key) at->key.store(0, std::memory_order_release);
  at->counts.store(uint64_t{known.n_tokens} << 32 | known.n_cached, std::memory_order_release);
  at->written.store(++n_written_, std::memory_order_relaxed);
  at->key.store(key, std::memory_order_release);
  return static_cast<uint32_t>(at - entries_);
}

bool PrefixIndex::shrink(uint32_t place, uint64_t key, uint32_t n_cached) {
  Entry& entry = entries_[place];
  if (entry.key.load(std::memory_order_relaxed) != key) return false;
  const uint64_t counts = entry.counts.load(std::memory_order_relaxed);
  if (static_cast<uint32_t>(counts) > n_cached)
    entry.counts.store((counts >> 32) << 32 | n_cached, std::memory_order_release);
  return true;
}

}  // namespace hearth::engine
