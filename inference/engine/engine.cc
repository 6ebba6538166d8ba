#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/log.h"

namespace hearth::engine {

Engine::Engine(Options options) : options_(std::move(options)) {}

void Engine::handle(const ToEngine& message) {
  std::visit([this](const auto& request) { on(request); }, message);
  publish_snapshot();
}

bool Engine::step() {
  bool did_work = false;
  for (Resident& resident : residents_) {
    if (!resident.scheduler.has_work()) continue;
    resident.scheduler.step();
    did_work = true;
  }
  if (did_work) publish_snapshot();
  return did_work;
}

// A name that is loaded stays as it is, and says what it is: to change settings, unload first.
void Engine::on(const Load& request) {
  if (Resident* resident = find(request.model))
    return options_.emit(Loaded{request.model, resident->model->facts, resident->load_ms});
  const TimePoint begun = options_.clock();
  uint64_t taken_bytes = 0;
  for (const Resident& resident : residents_) taken_bytes += resident.model->planned_bytes;
  auto model = LoadedModel::load(request, taken_bytes);
  if (!model) {
    log::warn("load failed", {{"model", request.model}, {"error", model.error().message}});
    return options_.emit(LoadFailed{request.model, model.error()});
  }
  const double load_ms = milliseconds_between(begun, options_.clock());
  const ModelFacts facts = (*model)->facts;
  LoadedModel& borrowed = **model;
  residents_.push_back(
      {std::move(*model), Scheduler(borrowed, options_.clock, options_.emit), load_ms});
  is_finished_ = false;
  log::info("model loaded",
            {{"model", request.model}, {"context", facts.n_context}, {"ms", load_ms}});
  options_.emit(Loaded{request.model, facts, load_ms});
}

void Engine::on(const Unload& request) {
  if (Resident* resident = find(request.model)) {
    resident->scheduler.fail_all(
        {Errc::cancelled, fmt::format("{} was unloaded while answering", request.model)});
    SnapshotData last;
    resident->scheduler.add_to(last);
    unloaded_.n_steps += last.n_steps;
    unloaded_.n_prefill_tokens += last.n_prefill_tokens;
    unloaded_.n_decode_tokens += last.n_decode_tokens;
    residents_.remove_if([&](const Resident& each) { return &each == resident; });
    is_finished_ = residents_.empty();
    log::info("model unloaded", {{"model", request.model}});
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
  Refusal refusal;
  auto sequence =
      make_sequence(request, *resident->model, options_.clock(), options_.unix_time_s(), refusal);
  if (!sequence)
    return options_.emit(
        Failed{request.request, refusal.error, refusal.n_prompt, refusal.n_context});
  resident->scheduler.submit(std::move(sequence));
}

void Engine::on(const Cancel& request) {
  for (Resident& resident : residents_)
    if (resident.scheduler.cancel(request.request)) return;
}

Engine::Resident* Engine::find(const std::string& model) {
  for (Resident& resident : residents_)
    if (resident.model->name == model) return &resident;
  return nullptr;
}

void Engine::publish_snapshot() {
  if (!options_.snapshot) return;
  SnapshotData data = unloaded_;
  for (const Resident& resident : residents_) resident.scheduler.add_to(data);
  publish(*options_.snapshot, data);
}

}  // namespace hearth::engine
