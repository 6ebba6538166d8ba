#include "inference/engine_snapshot.h"

#include <algorithm>
#include <cstring>

namespace hearth::engine {

// The data is copied byte-wise between two fences; a reader that saw a torn copy sees a changed
// sequence and retries. A writer that died in the middle leaves an odd sequence: give up after a
// bounded number of tries and return what is there, it is only a forecast.
void publish(Snapshot& snapshot, const SnapshotData& data) {
  uint64_t sequence = snapshot.sequence.load(std::memory_order_relaxed);
  snapshot.sequence.store(sequence + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  std::memcpy(&snapshot.data, &data, sizeof data);
  snapshot.sequence.store(sequence + 2, std::memory_order_release);
}

SnapshotData read(const Snapshot& snapshot) {
  SnapshotData data;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    uint64_t before = snapshot.sequence.load(std::memory_order_acquire);
    std::memcpy(&data, &snapshot.data, sizeof data);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 == 0 && snapshot.sequence.load(std::memory_order_relaxed) == before) break;
  }
  return data;
}

std::string_view ModelSnapshot::name() const {
  return std::string_view(model, ::strnlen(model, sizeof model));
}

// The engine is untrusted: its count may be anything, its names may lack their end.
const ModelSnapshot* find_model(const SnapshotData& data, std::string_view model) {
  const uint32_t n = std::min(data.n_models, kMaxSnapshotModels);
  for (const ModelSnapshot* entry = data.models; entry != data.models + n; ++entry)
    if (entry->name() == model) return entry;
  return nullptr;
}

}  // namespace hearth::engine
