// Drives an Engine in process: messages in, answers collected by request, a clock that only the
// test moves.
#pragma once

#include <map>
#include <optional>
#include <semaphore>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "inference/engine/tiny_model.h"

namespace hearth::testing {

struct Answer {
  std::optional<engine::Accepted> accepted;
  std::vector<StreamDelta> progress;
  std::string text, reasoning;
  std::vector<Token> tokens;
  Message message;  // the deltas folded
  std::vector<TokenLogprob> logprobs;
  std::vector<std::string> deltas;
  std::optional<engine::Done> done;
  std::optional<engine::Failed> failed;

  bool is_ended() const { return done || failed; }
};

class EngineDriver {
 public:
  EngineDriver();

  // The tiny model under the name "tiny", or another image.
  std::optional<Error> load(const ModelImage& image, engine::ModelSettings settings = {},
                            const std::string& name = "tiny");
  uint64_t start(CompletionRequest body, const std::string& model = "tiny");
  // Until what the engine's other threads are doing is done and taken up.
  void settle();
  void cancel(uint64_t request) { engine.handle(engine::Cancel{request}); }
  void unload(const std::string& name = "tiny") { engine.handle(engine::Unload{name}); }

  // Steps until nothing is left to do. False after a number of steps that no test needs.
  bool run();
  Answer answer(CompletionRequest body);  // start, run, and what came of it

  engine::TimePoint now{std::chrono::hours(1)};
  std::chrono::milliseconds per_look{0};  // the clock moves that much whenever it is read
  std::map<uint64_t, Answer> answers;
  std::map<uint64_t, engine::Answered> answered;    // queries
  std::map<std::string, engine::ModelFacts> facts;  // of what is loaded
  std::vector<std::string> events;                  // "accepted 1", "delta 1", "done 1", ...
  engine::Snapshot shared;
  engine::SnapshotData snapshot() const { return engine::read(shared); }

 private:
  void on(const engine::FromEngine& event);

  TemporaryFolder folder_;
  std::counting_semaphore<> woken_{0};
  std::optional<Error> load_error_;
  uint64_t last_request_ = 0;

 public:
  engine::Engine engine;
};

// Greedy, and never ending by itself: what most tests about scheduling want.
CompletionRequest greedy(std::string prompt, uint32_t max_tokens);

}  // namespace hearth::testing
