// The engine: loads models, answers requests, one forward pass at a time. Messages in, events out;
// it knows no socket, so tests drive it in process.
//
// Lives on the engine thread, which alternates handle() for what has arrived and step(). What takes
// long and is no forward pass runs on two threads of its own, so that answers under way go on:
// loading models on one, rendering and tokenizing prompts on the other. What they made is taken up
// between two passes.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "backend/backend.h"
#include "engine/clock.h"
#include "engine/loaded_model.h"
#include "engine/scheduler.h"
#include "engine/worker.h"
#include "inference/engine_messages.h"
#include "inference/engine_snapshot.h"

namespace hearth::engine {

class Engine {
 public:
  struct Options {
    Emit emit;                             // every event, in order, on the engine thread
    Clock clock;                           // steady; any thread
    std::function<int64_t()> unix_time_s;  // for templates that write the date; any thread
    std::function<void()> wake;            // there is something to collect(); any thread
    Snapshot* snapshot = nullptr;          // published after every step; null: not at all
  };

  explicit Engine(Options options);

  void handle(const ToEngine& message);
  // Takes up what the other threads have made. step() does so, too.
  void collect();
  // Something is under way on the other threads: wake() will be called.
  bool is_waiting() const { return loader_.n_out() + preparer_.n_out() > 0; }
  // One forward pass of every model that has work. False when none has.
  bool step();
  // The last model has been unloaded: there is nothing to live for.
  bool is_finished() const { return is_finished_ && !is_waiting(); }

 private:
  struct Resident {
    std::shared_ptr<LoadedModel> model;  // also of the prompts that are being prepared
    std::unique_ptr<Scheduler> scheduler;
    double load_ms;
  };
  struct Prepared {
    std::unique_ptr<Sequence> sequence;
    Refusal refusal;
  };

  struct Embedding {
    Query query;
    std::vector<std::vector<Token>> texts;
    Answered answer;
  };

  void on(const Load& request);
  void on(const Unload& request);
  void on(const Generate& request);
  void on(const Cancel& request);
  void on(const Query& request);
  void end_lane(const std::string& lane);
  void embed_one();
  void take_up(const Load& request, Result<std::unique_ptr<LoadedModel>> model, double load_ms);
  void take_up(uint64_t request, Prepared prepared);
  Resident* find(const std::string& model);
  Backend& backend(uint32_t n_threads);
  void publish_snapshot();

  Options options_;
  std::unique_ptr<Backend> backend_;         // made for the first model; all run on it
  std::atomic<uint64_t> planned_bytes_ = 0;  // of all models that are loaded
  std::list<Resident> residents_;
  std::set<std::string> loading_;  // names; those unloaded meanwhile are gone from it
  struct Preparing {
    std::string model, lane;
  };
  std::map<uint64_t, Preparing> preparing_;  // requests that are no sequences yet
  std::deque<Embedding> embeddings_;         // queries under way, oldest first
  SnapshotData unloaded_;                    // totals of models that are gone
  bool is_finished_ = false;

  // Last: their threads end before what they borrow.
  Worker loader_, preparer_;
};

}  // namespace hearth::engine
