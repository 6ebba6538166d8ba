// `hearth status`: how the daemon is.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/models_load.h"
#include "cli/rpc_client.h"
#include "cli/terminal.h"
#include "daemon/protocol/model.h"
#include "router/money.h"

namespace hearth::cli {

namespace {

void print_money(const protocol::Spending& money) {
  auto words = [](const std::string& usd) {
    auto amount = router::parse_usd(usd);
    return amount ? router::in_words(*amount) : usd;
  };
  fmt::print("  spent: {} today, {} this month", words(money.today_usd), words(money.month_usd));
  if (money.held_usd != "0") fmt::print(", {} held", words(money.held_usd));
  if (money.n_unknown)
    fmt::print("; {} of unknown cost, see `hearth ledger unknown`", money.n_unknown);
  fmt::print("\n");
  for (const protocol::BudgetState& budget : money.budgets)
    fmt::print("  budget {}: {} of {}{}\n", printable(budget.scope), words(budget.spent_usd),
               words(budget.limit_usd), budget.is_hard ? "" : " (not enforced)");
}

void print_targets(const std::vector<router::TargetStanding>& targets) {
  for (const router::TargetStanding& each : targets) {
    if (each.n_attempts == 0 && each.endpoint.empty()) continue;
    fmt::print("  {}{}{}: {} asked, {} failed", printable(each.target),
               each.endpoint.empty() ? "" : " at ", printable(each.endpoint), each.n_attempts,
               each.n_failures);
    if (each.first_word_p95_ms)
      fmt::print(", first word {:.0f} ms (95 of 100 within {:.0f})",
                 each.first_word_p50_ms.value_or(0), *each.first_word_p95_ms);
    if (each.server_running)
      fmt::print(", {:.0f} running and {:.0f} waiting there, cache {:.0f} % full",
                 *each.server_running, each.server_waiting.value_or(0),
                 100 * each.cache_use.value_or(0));
    if (each.n_requests_left) fmt::print(", room for {} requests", *each.n_requests_left);
    fmt::print("\n");
    if (each.down)
      fmt::print("    left alone for {:.0f} s: {}\n", each.wait_ms / 1000, printable(*each.down));
  }
}

void print_health(const protocol::Health& health) {
  fmt::print("hearth {}  pid {}  up {:.0f} s  {} resident\n", health.version, health.pid,
             health.uptime_s, size_text(health.resident_bytes));
  fmt::print("  {}\n  {}\n  {} client{}\n", health.url, health.socket, health.n_connections,
             health.n_connections == 1 ? "" : "s");
  print_money(health.money);
  print_targets(health.targets);
  const protocol::EngineStats& engine = health.engine;
  if (engine.pid < 0) {
    fmt::print("  engine: not running (it starts with the first local request)\n");
    return;
  }
  fmt::print(
      "  engine: pid {}, {} running, {} queued, {} of {} KV pages, prefill {:.0f} tok/s, decode "
      "{:.0f} tok/s\n",
      engine.pid, engine.n_running, engine.n_queued, engine.n_pages_used, engine.n_pages_total,
      engine.prefill_tokens_per_s, engine.decode_tokens_per_s);
}

void print_loaded(const protocol::ModelList& list) {
  for (const protocol::ModelRow& row : list.models)
    if (row.facts) fmt::print("{}", describe_loaded(row.id, *row.facts));
}

int run(const Common& common) {
  auto client = connect_to_daemon(common.folders);
  if (!client) {
    if (!common.json) return fail(client.error());
    fmt::print("{}\n", json::encode(client.error()));
    return kFailed;
  }
  auto health = client->call<protocol::Health>("ops/health", protocol::Empty{});
  if (!health) return fail(health.error());
  if (common.json) {
    fmt::print("{}\n", json::encode(*health));
    return 0;
  }
  print_health(*health);
  if (health->engine.loaded.empty()) return 0;
  auto models = client->call<protocol::ModelList>("model/list", protocol::Empty{});
  if (!models) return fail(models.error());
  print_loaded(*models);
  return 0;
}

}  // namespace

Command status() {
  return command("status", "Is the daemon running, and how is it", run,
                 [](Form& form) { form.json(); });
}

}  // namespace hearth::cli
