// The daemon's end of the engine child: spawns `hearth engine` lazily over a socketpair, loads
// models on demand, streams answers, restarts it after a crash.
//
// Lives on the loop thread. Owns the child: the child dies with it, and exits by itself when its
// last model unloads (keep-alive). A crash or a hang fails the requests that were running with
// Errc::upstream and starts a new child for those that come after; five crashes in a row without a
// served request between them, and the model that did it is refused until the daemon is told to
// load it again.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inference/completion.h"
#include "inference/engine_messages.h"
#include "inference/engine_snapshot.h"
#include "inference/forecast.h"
#include "support/result.h"
#include "support/task.h"

namespace hearth::engine {

// What to run: the name used in messages, the file, its settings.
struct ModelSpec {
  std::string model;
  std::string path;
  ModelSettings settings;
  std::chrono::seconds keep_alive{300};  // after the last request; zero or less: for ever
  std::vector<std::string>
      volatile_lines{};  // beginnings of lines that are moved (volatile_lines.h)
};

// How things stand with one model, for forecasts: asking costs nothing and waits for nobody.
struct ModelState {
  bool is_loaded = false, is_loading = false;
  std::optional<std::string> gave_up;  // how the engine ended the last of too many times with it
  ModelSnapshot numbers;               // zeros while not loaded
  // What its template knows of thinking (ModelFacts); absent while not loaded.
  std::optional<bool> switches_thinking, knows_effort;
};

class EngineClient {
 public:
  struct Options {
    std::string executable = "/proc/self/exe";
    std::string log_path;  // the child's stderr is appended here; empty: inherited
    std::chrono::milliseconds backoff{100};  // before the second restart in a row; doubles
    // A child that has work and computes nothing for so long is killed, as one that crashed.
    std::chrono::milliseconds hang_after{30'000};
  };

  EngineClient(net::any_io_executor executor, Options options);
  ~EngineClient();
  EngineClient(const EngineClient&) = delete;
  EngineClient& operator=(const EngineClient&) = delete;

  // Loads if needed (a crashed engine is restarted first) and returns what was loaded.
  Task<Result<ModelFacts>> load(ModelSpec spec);
  Task<Result<>> unload(std::string model);

  // One answer. Deltas arrive on the loop thread, then the completion. Cancelling the awaiting task
  // stops decoding within one token.
  Task<Answer> complete(ModelSpec spec, CompletionRequest request, DeltaSink sink);

  // What a model makes of texts: tokens, a rendered conversation, embeddings. Loads it if needed.
  Task<Result<Answered>> ask(ModelSpec spec, Query query);
  // Of the newest answer that had a forecast: what it said and what came.
  struct Checked {
    double forecast_ms = 0, measured_ms = 0;
  };
  Checked last_forecast() const;

  struct LoadedModel {
    std::string model;
    ModelFacts facts;
    uint32_t n_running = 0;
  };
  std::vector<LoadedModel> loaded() const;
  SnapshotData snapshot() const;  // zeros while no child runs
  ModelState state_of(const std::string& model) const;
  // Of a request as complete() would be given it. Nothing while the model is not loaded or has not
  // answered yet.
  std::optional<Estimate> estimate(const std::string& model, const CompletionRequest& request,
                                   const PromptPoints& points) const;
  int pid() const;  // -1 while no child runs
  uint64_t n_crashes() const;

  // Asks the child to end, kills it after `grace`; then join.
  void stop(std::chrono::milliseconds grace = std::chrono::milliseconds(500));
  Task<> join();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace hearth::engine
