#include "service/system_methods.h"

#include <unistd.h>

#include <algorithm>

#include "daemon/protocol/event.h"
#include "daemon/protocol/schema.h"
#include "daemon/protocol/session.h"

namespace hearth {

using jsonrpc::Call;
using protocol::Empty;

void SystemMethods::bind(jsonrpc::Dispatcher& dispatcher) {
  dispatcher.bind("model/list", *this, &SystemMethods::list_models);
  dispatcher.bind("model/load", *this, &SystemMethods::load_model);
  dispatcher.bind("model/unload", *this, &SystemMethods::unload_model);
  dispatcher.bind("model/stats", *this, &SystemMethods::engine_stats);
  dispatcher.bind("config/get", *this, &SystemMethods::get_config);
  dispatcher.bind("config/reload", *this, &SystemMethods::reload_config);
  dispatcher.bind("ops/health", *this, &SystemMethods::get_health);
  dispatcher.bind("ops/metrics", *this, &SystemMethods::get_metrics);
  dispatcher.bind("ops/protocol", *this, &SystemMethods::get_protocol);
  dispatcher.bind("ops/shutdown", *this, &SystemMethods::shut_down);
  dispatcher.bind("ledger/settle", *this, &SystemMethods::settle);
  dispatcher.bind("ops/rotateToken", *this, &SystemMethods::rotate_token);
  dispatcher.bind("ops/reloadTokens", *this, &SystemMethods::reload_tokens);
}

Result<engine::ModelSpec> SystemMethods::spec_of(const std::string& name) {
  for (const router::Target& target : services_.catalog.policy()->targets)
    if (target.kind == router::TargetKind::engine && target.name == name)
      return services_.catalog.spec(target.model);
  return services_.catalog.spec(name);
}

Task<Result<protocol::ModelList>> SystemMethods::list_models(Call, Empty) {
  protocol::ModelList list;
  auto row_of = [&](const std::string& id) -> protocol::ModelRow& {
    for (protocol::ModelRow& row : list.models)
      if (row.id == id) return row;
    protocol::ModelRow& row = list.models.emplace_back();
    row.id = id;
    return row;
  };
  for (const models::StoredModel& stored : services_.catalog.stored()) {
    protocol::ModelRow& row = row_of(stored.name);
    row.source = stored.source;
    row.n_context_train = stored.n_context_train;
    for (const models::StoredFile& file : stored.files) row.size_bytes += file.size_bytes;
  }
  for (const router::Target& target : services_.catalog.policy()->targets) {
    protocol::ModelRow& row = row_of(target.model);
    if (target.kind == router::TargetKind::api) row.source = target.provider;
    row.targets.push_back(target.name);
  }
  for (engine::EngineClient::LoadedModel& loaded : services_.engine.loaded()) {
    protocol::ModelRow& row = row_of(loaded.model);
    row.is_loaded = true;
    row.facts = std::move(loaded.facts);
  }
  co_return list;
}

Task<Result<protocol::ModelLoaded>> SystemMethods::load_model(Call, protocol::ModelName name) {
  Result<engine::ModelSpec> spec = spec_of(name.model);
  if (!spec) co_return spec.error();
  protocol::ModelLoaded loaded;
  loaded.model = spec->model;
  Result<engine::ModelFacts> facts = co_await services_.engine.load(std::move(*spec));
  if (!facts) co_return facts.error();
  loaded.facts = std::move(*facts);
  co_return loaded;
}

Task<Result<Empty>> SystemMethods::unload_model(Call, protocol::ModelName name) {
  Result<engine::ModelSpec> spec = spec_of(name.model);
  if (!spec) co_return spec.error();
  Result<> done = co_await services_.engine.unload(std::move(spec->model));
  if (!done) co_return done.error();
  co_return Empty{};
}

Task<Result<protocol::EngineStats>> SystemMethods::engine_stats(Call, Empty) {
  co_return health().engine;
}

protocol::ConfigText SystemMethods::config_text() const {
  std::shared_ptr<const Config> config = services_.config();
  return {config->path, to_toml(*config)};
}

Task<Result<protocol::ConfigText>> SystemMethods::get_config(Call, Empty) {
  co_return config_text();
}

Task<Result<protocol::ConfigText>> SystemMethods::reload_config(Call, Empty) {
  if (auto done = services_.reload_config(); !done) co_return done.error();
  co_return config_text();
}

// Of every budget that is not each session's own; a named one's sums are those of its name.
protocol::Spending SystemMethods::money() const {
  const router::Ledger& ledger = services_.ledger;
  protocol::Spending money;
  money.today_usd = router::to_text(ledger.spent_since(router::Per::day));
  money.month_usd = router::to_text(ledger.spent_since(router::Per::month));
  money.held_usd = router::to_text(ledger.held());
  money.n_unknown = ledger.n_unknown();
  for (const router::Budget& budget : services_.catalog.policy()->budgets) {
    if (budget.scope == "session") continue;
    const router::Spending::Sums sums = ledger.spent(budget);
    money.budgets.push_back({budget.scope, std::string(enum_name(budget.per)), budget.is_hard,
                             router::to_text(budget.limit()), router::to_text(sums.spent),
                             router::to_text(sums.held)});
  }
  return money;
}

Task<Result<Empty>> SystemMethods::settle(Call, protocol::LedgerSettle settle) {
  auto cost = router::parse_usd(settle.usd);
  if (!cost) co_return cost.error();
  if (auto done = co_await services_.ledger.decide(settle.id, *cost); !done) co_return done.error();
  co_return Empty{};
}

protocol::Health SystemMethods::health() const {
  protocol::Health health;
  health.version = services_.version;
  health.pid = ::getpid();
  health.uptime_s = services_.metrics.uptime_s();
  health.resident_bytes = resident_bytes();
  health.url = services_.url;
  health.socket = services_.socket;
  health.n_connections = static_cast<uint32_t>(services_.n_connections());
  engine::SnapshotData snapshot = services_.engine.snapshot();
  protocol::EngineStats& stats = health.engine;
  stats.pid = services_.engine.pid();
  stats.n_crashes = services_.engine.n_crashes();
  stats.n_running = snapshot.n_running;
  stats.n_queued = snapshot.n_queued;
  stats.n_pages_used = snapshot.n_pages_used;
  stats.n_pages_total = snapshot.n_pages_total;
  stats.n_prefill_tokens = snapshot.n_prefill_tokens;
  stats.n_decode_tokens = snapshot.n_decode_tokens;
  stats.prefill_tokens_per_s = snapshot.prefill_tokens_per_s;
  stats.decode_tokens_per_s = snapshot.decode_tokens_per_s;
  for (const auto& loaded : services_.engine.loaded()) stats.loaded.push_back(loaded.model);
  health.money = money();
  health.targets = services_.standings();
  return health;
}

Task<Result<protocol::Health>> SystemMethods::get_health(Call, Empty) { co_return health(); }

Task<Result<protocol::MetricsText>> SystemMethods::get_metrics(Call, Empty) {
  Metrics::Gauges gauges{services_.n_connections(), &services_.engine, &services_.ledger,
                         services_.catalog.policy(), services_.standings()};
  co_return protocol::MetricsText{services_.metrics.prometheus(gauges)};
}

namespace {

template <class... Kinds>
void describe_events(json::Object& events, std::variant<Kinds...>*) {
  ((events[Kinds::kType] = schema_of<Kinds>()), ...);
}

}  // namespace

// What editors/protocol.json holds; a test compares them.
Task<Result<protocol::Protocol>> SystemMethods::get_protocol(Call, Empty) {
  json::Object events;
  describe_events(events, static_cast<protocol::EventData*>(nullptr));
  using Passing = std::variant<protocol::TurnProgress, protocol::SyncLive, protocol::SyncGap,
                               protocol::SessionDeleted>;
  describe_events(events, static_cast<Passing*>(nullptr));
  protocol::Protocol whole;
  whole.methods.text = boost::json::serialize(services_.describe_methods().at("methods"));
  whole.events.text = boost::json::serialize(events);
  co_return whole;
}

Task<Result<Empty>> SystemMethods::shut_down(Call, protocol::Shutdown how) {
  services_.shut_down(how.drain);
  co_return Empty{};
}

Task<Result<protocol::TokenRotated>> SystemMethods::rotate_token(Call, Empty) {
  Result<std::string> token = services_.rotate_token();
  if (!token) co_return token.error();
  co_return protocol::TokenRotated{std::move(*token)};
}

Task<Result<Empty>> SystemMethods::reload_tokens(Call, Empty) {
  services_.reload_tokens();
  co_return Empty{};
}

}  // namespace hearth
