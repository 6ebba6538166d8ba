// Continuous batching for one model: requests join and leave between any two forward passes.
//
// Lives on the engine thread; owned by the Engine beside the LoadedModel that it borrows. What it
// decides in each step, and why, is in scheduler.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/clock.h"
#include "engine/loaded_model.h"
#include "engine/prompt_memory.h"
#include "engine/sequence.h"
#include "engine/speed.h"
#include "inference/engine_messages.h"
#include "inference/engine_snapshot.h"
#include "sampler/logprobs.h"

namespace hearth::engine {

using Emit = std::function<void(const FromEngine&)>;

class Scheduler {
 public:
  // The snapshot's beat counts up with the layers computed, its index learns what is cached; null:
  // nobody watches.
  Scheduler(LoadedModel& model, Clock clock, Emit emit, Snapshot* snapshot = nullptr);

  // Queues; nothing is refused for want of room.
  void submit(std::unique_ptr<Sequence> sequence);
  // Ends a request with Done(cancelled). False when there is none of that id.
  bool cancel(uint64_t request);
  void cancel_lane(const std::string& lane);
  void fail_all(const Error& error);

  bool has_work() const { return !running_.empty() || !waiting_.empty(); }
  size_t n_requests() const { return running_.size() + waiting_.size(); }
  // One forward pass: admit, plan, compute, sample, deliver.
  void step();

  // Adds this model's numbers to the totals, and its entry.
  void add_to(SnapshotData& data, double load_ms) const;
  SnapshotData totals() const;

 private:
  using Running = std::vector<std::unique_ptr<Sequence>>;
  struct Share {  // of one sequence in a step
    Sequence* sequence;
    uint32_t n_rows;
  };

  void admit();
  bool reserve_prompt(Sequence& sequence);
  bool take_pages(Sequence& sequence, Prefix prefix);
  bool own_end(Sequence& sequence);
  bool has_pages_for(const Sequence& newcomer) const;
  std::optional<CacheDivergence> divergence_of(const Sequence& sequence) const;
  bool has_windows_for(const Sequence& newcomer) const;
  void grow_decoding();
  bool hold_windows(std::span<const Share> shares);
  void let_windows_go(Sequence& sequence);
  void preempt_youngest();
  std::vector<Share> plan() const;
  static StepWork work_of(std::span<const Share> shares);
  Result<> forward(std::span<const Share> shares);
  void compute_alone(std::span<const Share> shares);
  void advance(std::span<const Share> shares);
  void tell_prompt(Sequence& sequence, std::span<const float> logits);
  void take_token(Sequence& sequence, std::span<float> logits);
  std::optional<TokenLogprob> logprob_of(const Sequence& sequence, Token token) const;
  void show(Sequence& sequence, std::vector<StreamDelta> deltas);
  void report_progress(Sequence& sequence);
  void finish(Sequence& sequence, FinishReason reason);
  void remember_answer(Sequence& sequence);
  void fail(Sequence& sequence, const Error& error, bool keeps_pages);
  void release_pages(Sequence& sequence, bool remembers);
  void remove(Sequence& sequence);
  uint32_t prefill_rows(bool is_beside_decoding) const;

  LoadedModel& model_;
  Clock clock_;
  Emit emit_;
  std::atomic<uint64_t>* const beat_;
  Running running_;                                // oldest first
  std::deque<std::unique_ptr<Sequence>> waiting_;  // oldest first

  std::vector<BatchRow> rows_;  // of the step, kept for their memory
  std::vector<std::vector<PageIndex>> tables_;
  std::vector<float> logits_;
  Logprobs logprobs_;
  Speed speed_;
  PromptMemory prompts_;
};

}  // namespace hearth::engine
