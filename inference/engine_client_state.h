// What EngineClient knows: the child if one runs, the models it holds, the requests under way.
//
// Lives on the loop thread. Coroutines keep it alive by shared_ptr until they end.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "engine_connection.h"
#include "inference/engine_client.h"
#include "support/task_group.h"

namespace hearth::engine {

// In a row; then the model is refused until it is loaded explicitly.
inline constexpr uint32_t kMaxCrashes = 5;

// How the measured time to the first token compares with what was forecast: the logarithm of their
// ratio, a moving mean and spread of it. Corrects what no model knows, such as a loaded machine.
class ForecastCheck {
 public:
  void learn(double forecast_ms, double measured_ms);
  Band corrected(const Band& forecast) const;

 private:
  double mean_ = 0, variance_ = 0;
  uint32_t n_ = 0;
};

// Tells a file from one that took its place under the same name. All zeros: there is none.
struct FileStamp {
  uint64_t device = 0, inode = 0, size_bytes = 0;
  int64_t changed_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
FileStamp stamp_of(const std::string& path);

struct EngineClient::State : std::enable_shared_from_this<EngineClient::State> {
  // A model that somebody has asked for, loaded or not.
  struct Model {
    explicit Model(net::any_io_executor executor) : idle(executor) {}
    enum class Phase : uint8_t { absent, loading, loaded, unloading };
    Phase phase = Phase::absent;
    ModelSpec spec;
    FileStamp stamp;                                     // of spec.path, when it was loaded
    ModelFacts facts;                                    // while loaded
    std::shared_ptr<std::optional<Error>> load_failure;  // of the load under way, for who waits
    uint32_t n_running = 0;
    uint32_t n_crashes = 0;  // in a row, without a served request between them
    std::string last_crash;
    ForecastCheck first_token;  // how true forecasts were
    net::steady_timer idle;     // unloads after keep_alive
    bool has_given_up() const { return n_crashes >= kMaxCrashes; }
  };

  // A request that the engine is working on; complete() waits for the outcome.
  struct Running {
    explicit Running(net::any_io_executor executor)
        : changed(executor, net::steady_timer::time_point::max()) {}
    std::string model;
    DeltaSink sink;
    Completion completion;
    Answered answered;                     // of a query
    uint32_t n_prompt = 0, n_context = 0;  // of a prompt that does not fit
    bool is_taken_up = false;              // the child has accepted it
    std::chrono::steady_clock::time_point sent = std::chrono::steady_clock::now();
    std::optional<double> forecast_ms;  // of the first token; none once that has come
    double corrected_ms = 0;            // what was told
    std::optional<Result<>> outcome;
    net::steady_timer changed;  // never expires; cancelled when the outcome is there
  };

  State(net::any_io_executor executor, Options options);

  // --- engine_client_state.cc: the child and its models ---

  // Loads a model unless it is there; starts the child first when there is none. Waits for what
  // is under way: a load, an unload, a restart.
  Task<Result<ModelFacts>> ensure_loaded(ModelSpec spec);
  Task<Result<>> unload(std::string name);
  void keep_alive(Model& model);  // starts the idle timer when nothing runs
  void watch();                   // that the child goes on, for as long as it has work
  void stop(std::chrono::milliseconds grace);

  // Until the timer expires or is cancelled, or the awaiting task is: then Errc::cancelled.
  static Task<Result<>> wait(net::steady_timer& timer);

  // --- engine_client.cc: requests ---

  Task<Answer> complete(ModelSpec spec, CompletionRequest request, DeltaSink sink);
  Task<Result<Answered>> ask(ModelSpec spec, Query query);
  using Work = std::variant<CompletionRequest, Query>;
  using Outcome = Result<std::shared_ptr<Running>, Failure>;
  Task<Outcome> perform(ModelSpec spec, Work work, DeltaSink sink);
  Task<Outcome> attempt(ModelSpec spec, Work work, DeltaSink sink, bool& was_taken_up);
  void finish(uint64_t request, Result<> outcome);
  void fail_running(const Error& error);

  void on(const Accepted& event);
  void on(const Delta& event);
  static void show(std::shared_ptr<Running> request, const StreamDelta& delta);
  std::optional<Estimate> raw_estimate(const std::string& model, const CompletionRequest& request,
                                       const PromptPoints& points) const;
  void check_forecast(Running& request);
  void on(const Done& event);
  void on(const Failed& event);
  void on(Answered& event);

  net::any_io_executor executor;
  Options options;
  std::shared_ptr<EngineConnection> connection;  // null while no child runs
  bool is_retiring = false;                      // the child exits: it holds no model any more
  bool is_stopping = false;
  uint64_t n_crashes = 0;
  uint64_t last_request = 0;
  Checked last_forecast;
  std::map<std::string, Model> models;
  std::map<uint64_t, std::shared_ptr<Running>> running;
  TaskGroup tasks;

 private:
  Result<> start_loading(Model& model, ModelSpec spec);
  Result<> start_unloading(Model& model);
  Result<> start_child();
  Task<> attend(std::shared_ptr<EngineConnection> child);
  static Task<> write(std::shared_ptr<EngineConnection> child);
  void on_end(const std::string& how);
  bool is_any(Model::Phase phase) const;
  void check_beat();
  void look_again();

  void on(Loaded& event);
  void on(const LoadFailed& event);
  void on(const Unloaded& event);

  net::steady_timer changed_;  // never expires; cancelled when a model or the child changes
  net::steady_timer restart_;  // expires when a child may be started again
  net::steady_timer grace_;    // of stop()
  net::steady_timer look_;     // at the child's beat
  bool is_watched_ = false;
  uint64_t last_beat_ = 0;
  int n_still_ = 0;  // looks in a row that found the same beat
};

}  // namespace hearth::engine
