#include "inference/engine_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine_client_state.h"
#include "inference/volatile_lines.h"

namespace hearth::engine {

namespace {

// The engine is untrusted: what is no number says nothing.
double sane(double number) { return std::isfinite(number) && number > 0 ? number : 0; }

}  // namespace

Task<Answer> EngineClient::State::complete(ModelSpec spec, CompletionRequest request,
                                           DeltaSink sink) {
  Work work = std::move(request);
  Outcome outcome = co_await perform(std::move(spec), std::move(work), std::move(sink));
  if (!outcome) co_return outcome.error();
  co_return std::move((*outcome)->completion);
}

Task<Result<Answered>> EngineClient::State::ask(ModelSpec spec, Query query) {
  Work work = std::move(query);
  Outcome outcome = co_await perform(std::move(spec), std::move(work), DeltaSink());
  if (!outcome) co_return Error{outcome.error().code, outcome.error().message};
  co_return std::move((*outcome)->answered);
}

Task<EngineClient::State::Outcome> EngineClient::State::perform(ModelSpec spec, Work work,
                                                                DeltaSink sink) {
  std::shared_ptr<State> self = shared_from_this();
  // A child that dies before it has taken a request up cannot have died of it, and nothing has been
  // said yet: such a request waits for the restart, as one that came a moment later would.
  constexpr int kMaxTries = 3;
  for (int n_tries = 1;; ++n_tries) {
    bool was_taken_up = true;
    Outcome outcome = co_await attempt(spec, work, sink, was_taken_up);
    if (outcome || was_taken_up || n_tries == kMaxTries) co_return outcome;
  }
}

Task<EngineClient::State::Outcome> EngineClient::State::attempt(ModelSpec spec, Work work,
                                                                DeltaSink sink,
                                                                bool& was_taken_up) {
  std::shared_ptr<State> self = shared_from_this();
  auto facts = co_await ensure_loaded(spec);
  if (!facts) co_return facts.error();

  const uint64_t id = ++last_request;
  std::optional<Estimate> forecast;
  std::vector<std::string> moved_lines;
  ToEngine message;
  if (Query* query = std::get_if<Query>(&work)) {
    query->request = id;
    query->model = spec.model;
    message = std::move(*query);
  } else {
    CompletionRequest& request = std::get<CompletionRequest>(work);
    moved_lines = move_volatile_lines(request, spec.volatile_lines);
    forecast = raw_estimate(spec.model, request, points_of(request));
    message = Generate{id, spec.model, std::move(request)};
  }
  if (auto sent = connection->send(message); !sent) co_return sent.error();
  Model& model = models.at(spec.model);
  ++model.n_running;
  model.idle.cancel();
  auto mine = std::make_shared<Running>(executor);
  mine->model = spec.model;
  mine->sink = std::move(sink);
  mine->completion.message.role = Role::assistant;
  mine->completion.message.model = spec.model;
  mine->completion.moved_lines = std::move(moved_lines);
  if (forecast) {
    mine->forecast_ms = forecast->ttft_ms.mean;
    mine->corrected_ms = model.first_token.corrected(forecast->ttft_ms).mean;
  }
  running[id] = mine;
  watch();

  Result<> waited;
  while (waited && !mine->outcome) waited = co_await wait(mine->changed);

  if (!mine->outcome) {  // the caller withdrew
    finish(id, waited);
    if (connection) (void)connection->send(Cancel{id});  // too full a queue: it runs to its end
    co_return waited.error();
  }
  was_taken_up =
      mine->is_taken_up || *mine->outcome || mine->outcome->error().code != Errc::upstream;
  if (!*mine->outcome) {
    Failure failure = mine->outcome->error();
    failure.n_prompt = mine->n_prompt;
    failure.n_context = mine->n_context;
    co_return failure;
  }
  co_return mine;
}

void EngineClient::State::finish(uint64_t request, Result<> outcome) {
  auto at = running.find(request);
  if (at == running.end()) return;
  std::shared_ptr<Running> ended = std::move(at->second);
  running.erase(at);
  Model& model = models.at(ended->model);
  --model.n_running;
  if (model.phase == Model::Phase::loaded) keep_alive(model);
  if (model.n_running == 0) changed_.cancel();  // others may wait to load it with other settings
  ended->outcome = std::move(outcome);
  ended->changed.cancel();
}

void EngineClient::State::fail_running(const Error& error) {
  while (!running.empty()) finish(running.begin()->first, error);
}

// Events of requests that nobody waits for any more are passed over.

void EngineClient::State::on(const Accepted& event) {
  auto at = running.find(event.request);
  if (at == running.end()) return;
  at->second->is_taken_up = true;
  show(at->second,
       {.kind = StreamDelta::Kind::progress, .n_done = event.n_cached, .n_prompt = event.n_prompt});
}

void EngineClient::State::on(const Delta& event) {
  auto at = running.find(event.request);
  if (at == running.end() || event.delta.kind > StreamDelta::Kind::progress) return;
  if (event.delta.kind != StreamDelta::Kind::progress) check_forecast(*at->second);
  Completion& completion = at->second->completion;
  append(completion.message, event.delta);
  completion.logprobs.insert(completion.logprobs.end(), event.delta.logprobs.begin(),
                             event.delta.logprobs.end());
  show(at->second, event.delta);
}

void ForecastCheck::learn(double forecast_ms, double measured_ms) {
  if (!(forecast_ms > 0 && measured_ms > 0)) return;
  constexpr double kMost = 1.5, kNewest = 0.1;
  const double error = std::clamp(std::log(measured_ms / forecast_ms), -kMost, kMost);
  const double weight = std::max(kNewest, 1.0 / ++n_);
  const double surprise = error - mean_;
  mean_ += weight * surprise;
  if (n_ > 1) variance_ += weight * (surprise * surprise - variance_);
}

Band ForecastCheck::corrected(const Band& forecast) const {
  const double mean = forecast.mean * std::exp(mean_);
  const double relative = forecast.mean > 0 ? forecast.sd / forecast.mean : 0;
  // A few forecasts say little of how far off they are.
  constexpr uint32_t kTelling = 5;
  return {mean, mean * (n_ >= kTelling ? std::sqrt(variance_) : std::hypot(relative, 0.1))};
}

void EngineClient::State::check_forecast(Running& request) {
  if (!request.forecast_ms) return;
  const std::chrono::duration<double, std::milli> measured =
      std::chrono::steady_clock::now() - request.sent;
  models.at(request.model).first_token.learn(*request.forecast_ms, measured.count());
  request.forecast_ms.reset();
  last_forecast = {request.corrected_ms, measured.count()};
}

// By value: the sink may end the request.
void EngineClient::State::show(std::shared_ptr<Running> request, const StreamDelta& delta) {
  if (request->sink) request->sink(delta);
}

void EngineClient::State::on(const Done& event) {
  auto at = running.find(event.request);
  if (at == running.end()) return;
  models.at(at->second->model).n_crashes = 0;
  Completion& completion = at->second->completion;
  completion.finish_reason = event.finish_reason;
  completion.stop_string = event.stop_string;
  completion.usage = event.usage;
  completion.timings = event.timings;
  completion.seed = event.seed;
  completion.divergence = event.divergence;
  finish(event.request, {});
}

void EngineClient::State::on(Answered& event) {
  auto at = running.find(event.request);
  if (at == running.end()) return;
  models.at(at->second->model).n_crashes = 0;
  at->second->answered = std::move(event);
  finish(at->first, {});
}

void EngineClient::State::on(const Failed& event) {
  auto at = running.find(event.request);
  if (at == running.end()) return;
  at->second->n_prompt = event.n_prompt;
  at->second->n_context = event.n_context;
  finish(event.request, event.error);
}

EngineClient::EngineClient(net::any_io_executor executor, Options options)
    : state_(std::make_shared<State>(executor, std::move(options))) {}

EngineClient::~EngineClient() {
  state_->stop(std::chrono::milliseconds(0));
  if (state_->connection) state_->connection->kill();
}

Task<Result<ModelFacts>> EngineClient::load(ModelSpec spec) {
  auto at = state_->models.find(spec.model);
  if (at != state_->models.end()) at->second.n_crashes = 0;
  return state_->ensure_loaded(std::move(spec));
}

Task<Result<>> EngineClient::unload(std::string model) { return state_->unload(std::move(model)); }

Task<Answer> EngineClient::complete(ModelSpec spec, CompletionRequest request, DeltaSink sink) {
  return state_->complete(std::move(spec), std::move(request), std::move(sink));
}

Task<Result<Answered>> EngineClient::ask(ModelSpec spec, Query query) {
  return state_->ask(std::move(spec), std::move(query));
}

std::vector<EngineClient::LoadedModel> EngineClient::loaded() const {
  std::vector<LoadedModel> out;
  for (const auto& [name, model] : state_->models)
    if (model.phase == State::Model::Phase::loaded)
      out.push_back({name, model.facts, model.n_running});
  return out;
}

ModelState EngineClient::state_of(const std::string& model) const {
  ModelState state;
  const auto at = state_->models.find(model);
  if (at == state_->models.end()) return state;
  state.is_loaded = at->second.phase == State::Model::Phase::loaded;
  state.is_loading = at->second.phase == State::Model::Phase::loading;
  if (state.is_loaded) {
    state.switches_thinking = at->second.facts.switches_thinking;
    state.knows_effort = at->second.facts.knows_effort;
  }
  if (at->second.has_given_up()) state.gave_up = at->second.last_crash;
  const SnapshotData data = snapshot();
  if (const ModelSnapshot* entry = find_model(data, model)) state.numbers = *entry;
  return state;
}

std::optional<Estimate> EngineClient::State::raw_estimate(const std::string& model,
                                                          const CompletionRequest& request,
                                                          const PromptPoints& points) const {
  if (!connection) return std::nullopt;
  const SnapshotData data = connection->snapshot();
  const ModelSnapshot* entry = find_model(data, model);
  if (entry == nullptr) return std::nullopt;
  return engine::estimate(*entry, connection->prefixes(), request, points);
}

std::optional<Estimate> EngineClient::estimate(const std::string& model,
                                               const CompletionRequest& request,
                                               const PromptPoints& points) const {
  const auto at = state_->models.find(model);
  if (at == state_->models.end()) return std::nullopt;
  std::optional<Estimate> estimate;
  if (const auto& lines = at->second.spec.volatile_lines; !lines.empty()) {
    CompletionRequest moved = request;
    move_volatile_lines(moved, lines);
    estimate = state_->raw_estimate(model, moved, points_of(moved));
  } else {
    estimate = state_->raw_estimate(model, request, points);
  }
  if (estimate) estimate->ttft_ms = at->second.first_token.corrected(estimate->ttft_ms);
  return estimate;
}

EngineClient::Checked EngineClient::last_forecast() const { return state_->last_forecast; }

SnapshotData EngineClient::snapshot() const {
  if (!state_->connection) return {};
  SnapshotData data = state_->connection->snapshot();
  data.prefill_tokens_per_s = sane(data.prefill_tokens_per_s);
  data.decode_tokens_per_s = sane(data.decode_tokens_per_s);
  for (ModelSnapshot& model : data.models) {
    model.prefill_tokens_per_s = sane(model.prefill_tokens_per_s);
    model.decode_tokens_per_s = sane(model.decode_tokens_per_s);
    model.load_ms = sane(model.load_ms);
  }
  return data;
}

int EngineClient::pid() const { return state_->connection ? state_->connection->pid() : -1; }

uint64_t EngineClient::n_crashes() const { return state_->n_crashes; }

void EngineClient::stop(std::chrono::milliseconds grace) { state_->stop(grace); }

Task<> EngineClient::join() { return state_->tasks.join(); }

}  // namespace hearth::engine
