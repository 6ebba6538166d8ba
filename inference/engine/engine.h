// The engine: loads models, answers requests, one forward pass at a time. Messages in, events out;
// it knows no socket, so tests drive it in process.
//
// Lives on the engine thread, which alternates handle() for what has arrived and step().
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>

#include "engine/clock.h"
#include "engine/loaded_model.h"
#include "engine/scheduler.h"
#include "inference/engine_messages.h"
#include "inference/engine_snapshot.h"

namespace hearth::engine {

class Engine {
 public:
  struct Options {
    Emit emit;                             // every event, in order
    Clock clock;                           // steady
    std::function<int64_t()> unix_time_s;  // for templates that write the date
    Snapshot* snapshot = nullptr;          // published after every step; null: not at all
  };

  explicit Engine(Options options);

  void handle(const ToEngine& message);
  // One forward pass of every model that has work. False when none has.
  bool step();
  // The last model has been unloaded: there is nothing to live for.
  bool is_finished() const { return is_finished_; }

 private:
  struct Resident {
    std::unique_ptr<LoadedModel> model;
    Scheduler scheduler;
    double load_ms;
  };

  void on(const Load& request);
  void on(const Unload& request);
  void on(const Generate& request);
  void on(const Cancel& request);
  Resident* find(const std::string& model);
  void publish_snapshot();

  Options options_;
  std::list<Resident> residents_;
  SnapshotData unloaded_;  // totals of models that are gone
  bool is_finished_ = false;
};

}  // namespace hearth::engine
