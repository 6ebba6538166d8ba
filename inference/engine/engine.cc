#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/log.h"

namespace hearth::engine {

Engine::Engine(Options options)
    : options_(std::move(options)), loader_(options_.wake), preparer_(options_.wake) {}

void Engine::handle(const ToEngine& message) {
  std::visit([this](const auto& request) { on(request); }, message);
  publish_snapshot();
}

void Engine::collect() {
  bool did_something = false;
  for (Worker* worker : {&loader_, &preparer_})
    for (const Worker::Finish& finish : worker->take()) {
      finish();
      did_something = true;
    }
  if (did_something) publish_snapshot();
}

bool Engine::step() {
  collect();
  bool did_work = false;
  for (Resident& resident : residents_) {
    if (!resident.scheduler->has_work()) continue;
    resident.scheduler->step();
    did_work = true;
  }
  if (!embeddings_.empty()) {
    embed_one();
    did_work = true;
  }
  if (did_work) publish_snapshot();
  return did_work;
}

// A name that is loaded stays as it is, and says what it is: to change settings, unload first.
void Engine::on(const Load& request) {
  if (Resident* resident = find(request.model))
    return options_.emit(Loaded{request.model, resident->model->facts, resident->load_ms});
  if (loading_.contains(request.model)) return;  // the load under way answers both
  loading_.insert(request.model);
  is_finished_ = false;
  loader_.post([this, request, &backend = backend(request.settings.n_threads)]() -> Worker::Finish {
    const TimePoint begun = options_.clock();
    auto model = LoadedModel::load(request, backend, planned_bytes_);
    if (model) planned_bytes_ += (*model)->planned_bytes;
    const double load_ms = milliseconds_between(begun, options_.clock());
    return [this, request, load_ms, model = std::make_shared<decltype(model)>(std::move(model))] {
      take_up(request, std::move(*model), load_ms);
    };
  });
}

void Engine::take_up(const Load& request, Result<std::unique_ptr<LoadedModel>> model,
                     double load_ms) {
  const bool is_wanted = loading_.erase(request.model) > 0;
  if (model && !is_wanted) {
    planned_bytes_ -= (*model)->planned_bytes;
    model = Error{Errc::cancelled, fmt::format("{} was unloaded while it loaded", request.model)};
  }
  if (!model) {
    log::warn("load failed", {{"model", request.model}, {"error", model.error().message}});
    return options_.emit(LoadFailed{request.model, model.error()});
  }
  std::shared_ptr<LoadedModel> shared = std::move(*model);
  const ModelFacts& facts = shared->facts;
  residents_.push_back(
      {shared,
       std::make_unique<Scheduler>(*shared, options_.clock, options_.emit, options_.snapshot),
       load_ms});
  log::info("model loaded",
            {{"model", request.model}, {"context", facts.n_context}, {"ms", load_ms}});
  options_.emit(Loaded{request.model, facts, load_ms});
}

void Engine::on(const Unload& request) {
  const Error gone{Errc::cancelled, fmt::format("{} was unloaded while answering", request.model)};
  loading_.erase(request.model);
  if (Resident* resident = find(request.model)) {
    for (auto at = preparing_.begin(); at != preparing_.end();) {
      const bool is_its = at->second.model == request.model;
      if (is_its) options_.emit(Failed{at->first, gone, 0, 0});
      at = is_its ? preparing_.erase(at) : std::next(at);
    }
    resident->scheduler->fail_all(gone);
    const SnapshotData last = resident->scheduler->totals();
    unloaded_.n_steps += last.n_steps;
    unloaded_.n_prefill_tokens += last.n_prefill_tokens;
    unloaded_.n_decode_tokens += last.n_decode_tokens;
    planned_bytes_ -= resident->model->planned_bytes;
    residents_.remove_if([&](const Resident& each) { return &each == resident; });
    log::info("model unloaded", {{"model", request.model}});
    is_finished_ = residents_.empty() && loading_.empty();
  }
  options_.emit(Unloaded{request.model});
}

void Engine::on(const Generate& request) {
  Resident* resident = find(request.model);
  if (!resident)
    return options_.emit(
        Failed{request.request,
               {Errc::not_found, fmt::format("model {} is not loaded", request.model)},
               0,
               0});
  if (!request.body.lane.empty()) end_lane(request.body.lane);
  preparing_[request.request] = {request.model, request.body.lane};
  preparer_.post(
      [this, request, model = resident->model, arrived = options_.clock()]() -> Worker::Finish {
        auto prepared = std::make_shared<Prepared>();
        prepared->sequence =
            make_sequence(request, *model, arrived, options_.unix_time_s(), prepared->refusal);
        if (prepared->sequence)
          prepared->sequence->prepare_ms = milliseconds_between(arrived, options_.clock());
        return [this, id = request.request, prepared] { take_up(id, std::move(*prepared)); };
      });
}

void Engine::take_up(uint64_t request, Prepared prepared) {
  const auto at = preparing_.find(request);
  if (at == preparing_.end()) return;  // cancelled meanwhile, or its model was unloaded
  Resident* resident = find(at->second.model);
  preparing_.erase(at);
  const Refusal& refusal = prepared.refusal;
  if (!prepared.sequence)
    options_.emit(Failed{request, refusal.error, refusal.n_prompt, refusal.n_context});
  else
    resident->scheduler->submit(std::move(prepared.sequence));
}

// The newest request of a lane makes those before it pointless.
void Engine::end_lane(const std::string& lane) {
  std::vector<uint64_t> older;
  for (const auto& [request, preparing] : preparing_)
    if (preparing.lane == lane) older.push_back(request);
  for (uint64_t request : older) on(Cancel{request});
  for (Resident& resident : residents_) resident.scheduler->cancel_lane(lane);
}

void Engine::on(const Cancel& request) {
  std::erase_if(embeddings_, [&](auto& each) { return each.query.request == request.request; });
  if (preparing_.erase(request.request) > 0) {
    Done done;
    done.request = request.request;
    done.finish_reason = FinishReason::cancelled;
    return options_.emit(done);
  }
  for (Resident& resident : residents_)
    if (resident.scheduler->cancel(request.request)) return;
}

Engine::Resident* Engine::find(const std::string& model) {
  for (Resident& resident : residents_)
    if (resident.model->name == model) return &resident;
  return nullptr;
}

// One for all models. While there is none, the next to load says how many threads it has.
Backend& Engine::backend(uint32_t n_threads) {
  const bool is_unused = residents_.empty() && loader_.n_out() == 0 && preparer_.n_out() == 0;
  if (!backend_ || is_unused) backend_ = cpu_backend(n_threads);
  return *backend_;
}

void Engine::publish_snapshot() {
  if (!options_.snapshot) return;
  SnapshotData data = unloaded_;
  for (const Resident& resident : residents_) resident.scheduler->add_to(data, resident.load_ms);
  data.n_queued += static_cast<uint32_t>(preparing_.size());
  publish(*options_.snapshot, data);
}

}  // namespace hearth::engine
