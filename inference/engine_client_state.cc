#include "engine_client_state.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "support/log.h"

namespace hearth::engine {

namespace {

constexpr auto kNever = net::steady_timer::time_point::max();
constexpr int kLooks = 4;  // within hang_after

bool has_same_settings(const ModelSpec& a, const ModelSpec& b) {
  return a.path == b.path && a.settings.n_context == b.settings.n_context &&
         a.settings.kv_type == b.settings.kv_type && a.settings.n_threads == b.settings.n_threads &&
         a.settings.memory_bytes == b.settings.memory_bytes;
}

Error stopping() { return {Errc::cancelled, "the daemon is stopping"}; }

// Another file than the one that was loaded. One that is gone does not end what is loaded of it.
bool is_replaced(const FileStamp& loaded, const FileStamp& now) {
  return now != FileStamp() && now != loaded;
}

}  // namespace

FileStamp stamp_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino, static_cast<uint64_t>(info.st_size),
          int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

EngineClient::State::State(net::any_io_executor on, Options settings)
    : executor(on),
      options(std::move(settings)),
      tasks(on),
      changed_(on, kNever),
      restart_(on, net::steady_timer::time_point::min()),
      grace_(on),
      look_(on) {}

// Each turn of the loop looks at how things stand and either returns or waits for a change.
Task<Result<ModelFacts>> EngineClient::State::ensure_loaded(ModelSpec spec) {
  std::shared_ptr<State> self = shared_from_this();
  Model& model = models.try_emplace(spec.model, executor).first->second;
  for (;;) {
    if (is_stopping) co_return stopping();
    if (model.has_given_up())
      co_return Error{
          Errc::upstream,
          fmt::format("{}: the engine process ended unexpectedly {} times in a row with "
                      "this model (last: {}); to try again: hearth models load {}",
                      spec.model, model.n_crashes, model.last_crash, spec.model)};
    Result<> done;
    switch (model.phase) {
      case Model::Phase::loaded:
        if (has_same_settings(model.spec, spec) && !is_replaced(model.stamp, stamp_of(spec.path))) {
          model.spec.keep_alive = spec.keep_alive;
          co_return model.facts;
        }
        // What it answers with other settings, or from an older file, ends first.
        if (model.n_running > 0)
          done = co_await wait(changed_);
        else
          done = start_unloading(model);
        break;
      case Model::Phase::absent:
        if (is_retiring) {
          done = co_await wait(changed_);
        } else if (!connection && net::steady_timer::clock_type::now() < restart_.expiry()) {
          done = co_await wait(restart_);
        } else {
          done = start_loading(model, spec);
        }
        break;
      case Model::Phase::loading: {
        std::shared_ptr<std::optional<Error>> failure = model.load_failure;
        done = co_await wait(changed_);
        if (*failure) co_return **failure;
        break;
      }
      case Model::Phase::unloading: done = co_await wait(changed_); break;
    }
    if (!done) co_return done.error();
  }
}

Result<> EngineClient::State::start_loading(Model& model, ModelSpec spec) {
  if (!connection)
    if (auto started = start_child(); !started) return started;
  if (auto sent = connection->send(Load{spec.model, spec.path, spec.settings}); !sent) return sent;
  model.phase = Model::Phase::loading;
  model.spec = std::move(spec);
  model.stamp = stamp_of(model.spec.path);
  model.load_failure = std::make_shared<std::optional<Error>>();
  watch();
  return {};
}

Result<> EngineClient::State::start_unloading(Model& model) {
  if (auto sent = connection->send(Unload{model.spec.model}); !sent) return sent;
  model.phase = Model::Phase::unloading;
  model.idle.cancel();
  watch();
  // The child handles messages in order, so it exits after this one, whatever is sent behind it.
  is_retiring = !is_any(Model::Phase::loading) && !is_any(Model::Phase::loaded);
  return {};
}

Task<Result<>> EngineClient::State::unload(std::string name) {
  std::shared_ptr<State> self = shared_from_this();
  auto at = models.find(name);
  while (at != models.end() && at->second.phase == Model::Phase::loading)
    if (auto changed = co_await wait(changed_); !changed) co_return changed.error();
  if (at == models.end() || at->second.phase == Model::Phase::absent)
    co_return Error{Errc::not_found, fmt::format("{} is not loaded", name)};
  Model& model = at->second;
  if (model.phase == Model::Phase::loaded)
    if (auto sent = start_unloading(model); !sent) co_return sent.error();
  while (model.phase == Model::Phase::unloading)
    if (auto changed = co_await wait(changed_); !changed) co_return changed.error();
  co_return Result<>();
}

void EngineClient::State::keep_alive(Model& model) {
  model.idle.cancel();
  if (model.n_running > 0 || model.spec.keep_alive.count() <= 0) return;
  model.idle.expires_after(model.spec.keep_alive);
  model.idle.async_wait([weak = weak_from_this(), &model](boost::system::error_code error) {
    std::shared_ptr<State> state = weak.lock();
    if (error || !state || model.phase != Model::Phase::loaded || model.n_running > 0) return;
    if (auto sent = state->start_unloading(model); !sent)
      log::warn("unload failed", {{"model", model.spec.model}, {"error", sent.error().message}});
  });
}

void EngineClient::State::watch() {
  n_still_ = 0;
  if (!std::exchange(is_watched_, true)) look_again();
}

void EngineClient::State::look_again() {
  look_.expires_after(options.hang_after / kLooks);
  look_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    std::shared_ptr<State> state = weak.lock();
    if (!error && state) state->check_beat();
  });
}

// Looks are counted, not time: after a pause of the whole machine the child gets its turn first.
void EngineClient::State::check_beat() {
  is_watched_ = connection && (!running.empty() || is_any(Model::Phase::loading) ||
                               is_any(Model::Phase::unloading));
  if (!is_watched_) return;
  const uint64_t beat = connection->beat();
  n_still_ = beat == last_beat_ ? n_still_ + 1 : 0;
  last_beat_ = beat;
  if (n_still_ >= kLooks)
    connection->kill(fmt::format("it computed nothing for {} ms", options.hang_after.count()));
  look_again();
}

void EngineClient::State::stop(std::chrono::milliseconds grace) {
  if (std::exchange(is_stopping, true)) return;
  fail_running(stopping());
  for (auto& [name, model] : models) model.idle.cancel();
  changed_.cancel();
  restart_.cancel();
  look_.cancel();
  if (!connection) return;
  connection->close();
  grace_.expires_after(grace);
  grace_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    std::shared_ptr<State> state = weak.lock();
    if (!error && state && state->connection) state->connection->kill();
  });
}

Result<> EngineClient::State::start_child() {
  auto child = EngineConnection::start(executor, options.executable, options.log_path);
  if (!child) return child.error();
  connection = *child;
  is_retiring = false;
  log::info("engine started", {{"pid", connection->pid()}});
  tasks.spawn("engine events", attend(connection));
  tasks.spawn("engine requests", write(connection));
  return {};
}

Task<> EngineClient::State::write(std::shared_ptr<EngineConnection> child) {
  co_await child->write_queued();
}

Task<> EngineClient::State::attend(std::shared_ptr<EngineConnection> child) {
  std::shared_ptr<State> self = shared_from_this();
  EngineConnection::OnEvent on_event = [this](FromEngine& event) {
    std::visit([this](auto& each) { on(each); }, event);
  };
  std::string how = co_await child->read_events(std::move(on_event));
  on_end(how);
}

// Whoever was answering or loading when the child went is a suspect; idle models are not.
void EngineClient::State::on_end(const std::string& how) {
  const bool is_expected = is_retiring || is_stopping;
  connection.reset();
  is_retiring = false;
  grace_.cancel();
  uint32_t most_crashes = 0;
  for (auto& [name, model] : models) {
    if (!is_expected && (model.n_running > 0 || model.phase == Model::Phase::loading)) {
      ++model.n_crashes;
      model.last_crash = how;
      most_crashes = std::max(most_crashes, model.n_crashes);
    }
    model.phase = Model::Phase::absent;
    model.idle.cancel();
  }
  if (is_expected) {
    log::info("engine ended", {{"how", how}});
  } else {
    ++n_crashes;
    log::error("engine ended unexpectedly", {{"how", how}, {"in_a_row", most_crashes}});
    if (most_crashes > 1)
      restart_.expires_after(options.backoff * (1u << std::min(most_crashes - 2, kMaxCrashes)));
  }
  fail_running(
      {Errc::upstream,
       fmt::format("the engine process ended unexpectedly ({}) while answering; it restarts "
                   "by itself, send the request again",
                   how)});
  changed_.cancel();
}

bool EngineClient::State::is_any(Model::Phase phase) const {
  return std::ranges::any_of(models,
                             [&](const auto& entry) { return entry.second.phase == phase; });
}

void EngineClient::State::on(Loaded& event) {
  auto at = models.find(event.model);
  if (at == models.end() || at->second.phase != Model::Phase::loading) return;
  Model& model = at->second;
  model.phase = Model::Phase::loaded;
  model.facts = std::move(event.facts);
  log::info("model loaded", {{"model", event.model}, {"ms", event.load_ms}});
  for (const std::string& note : model.facts.notes)
    log::info("about the model", {{"model", event.model}, {"note", note}});
  keep_alive(model);
  changed_.cancel();
}

void EngineClient::State::on(const LoadFailed& event) {
  auto at = models.find(event.model);
  if (at == models.end() || at->second.phase != Model::Phase::loading) return;
  at->second.phase = Model::Phase::absent;
  *at->second.load_failure = event.error;
  if (!is_any(Model::Phase::loading) && !is_any(Model::Phase::loaded)) {
    is_retiring = true;  // it holds nothing; where an unload is under way it exits by itself
    if (!is_any(Model::Phase::unloading)) connection->close();
  }
  changed_.cancel();
}

void EngineClient::State::on(const Unloaded& event) {
  auto at = models.find(event.model);
  if (at == models.end() || at->second.phase != Model::Phase::unloading) return;
  at->second.phase = Model::Phase::absent;
  log::info("model unloaded", {{"model", event.model}});
  changed_.cancel();
}

Task<Result<>> EngineClient::State::wait(net::steady_timer& timer) {
  bool throws = co_await net::this_coro::throw_if_cancelled();
  co_await net::this_coro::throw_if_cancelled(false);
  auto [woken] = co_await timer.async_wait(as_result);
  (void)woken;
  auto cancellation = co_await net::this_coro::cancellation_state;
  co_await net::this_coro::throw_if_cancelled(throws);
  if (cancellation.cancelled() != net::cancellation_type::none)
    co_return Error{Errc::cancelled, "the request was cancelled"};
  co_return Result<>();
}

}  // namespace hearth::engine
