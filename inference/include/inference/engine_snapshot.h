// What the engine publishes in shared memory (memfd, inherited by the child): the router's
// forecast and /metrics read it without asking a busy engine.
//
// One writer (the engine thread), any number of readers in the daemon; a sequence lock: odd while
// being written, readers retry. The engine is untrusted: readers clamp what they use.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "inference/forecast.h"
#include "inference/prefix_index.h"

namespace hearth::engine {

// One loaded model.
struct ModelSnapshot {
  char model[136] = {};  // the name used in messages, zero-terminated
  uint32_t n_context = 0;
  uint32_t n_running = 0;       // requests decoding or reading their prompt
  uint32_t n_queued = 0;        // not yet started
  uint64_t n_prefill_left = 0;  // prompt tokens still to read
  double prefill_tokens_per_s = 0, decode_tokens_per_s = 0;  // 0 while unknown
  double load_ms = 0;                                        // how long loading it took
  // For forecasts (forecast.h).
  uint32_t n_decoding = 0;          // of n_running
  double decode_context = 0;        // positions that a step of theirs reads
  double prefill_context_left = 0;  // sum over n_prefill_left of the positions each will see
  double rows_alone = 0, rows_beside_decoding = 0;  // prompt tokens that a step takes
  double prepare_ms_per_token = 0;                  // rendering and tokenizing
  StepModel steps;
  TextModel text;

  std::string_view name() const;  // bounded, whatever is in `model`
};

inline constexpr uint32_t kMaxSnapshotModels = 16;

struct SnapshotData {
  uint64_t n_steps = 0;         // forward passes since start
  uint32_t n_running = 0;       // requests decoding or reading their prompt
  uint32_t n_queued = 0;        // accepted, not yet started
  uint64_t n_prefill_left = 0;  // prompt tokens still to read, all requests
  uint64_t n_pages_used = 0;    // KV pages
  uint64_t n_pages_total = 0;
  uint64_t n_prefill_tokens = 0;    // since start
  uint64_t n_decode_tokens = 0;     // since start
  double prefill_tokens_per_s = 0;  // moving averages of recent steps, of the model loaded last
  double decode_tokens_per_s = 0;
  uint32_t n_models = 0;  // entries of `models`; models beyond the room have none
  ModelSnapshot models[kMaxSnapshotModels];
};

// The entry of a model; null when it has none.
const ModelSnapshot* find_model(const SnapshotData& data, std::string_view model);

struct Snapshot {
  std::atomic<uint64_t> sequence{0};
  // Counts what the engine thread has done: turns of its loop, layers of a pass. One that has work
  // and does not count for long hangs.
  std::atomic<uint64_t> beat{0};
  PrefixIndex prefixes;
  SnapshotData data;
};

void publish(Snapshot& snapshot, const SnapshotData& data);
SnapshotData read(const Snapshot& snapshot);

}  // namespace hearth::engine
