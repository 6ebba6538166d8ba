// `hearth status`: how the daemon is.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
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

void print_health(const protocol::Health& health) {
  fmt::print("hearth {}  pid {}  up {:.0f} s  {} resident\n", health.version, health.pid,
             health.uptime_s, size_text(health.resident_bytes));
  fmt::print("  {}\n  {}\n  {} client{}\n", health.url, health.socket, health.n_connections,
             health.n_connections == 1 ? "" : "s");
  print_money(health.money);
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
  for (const std::string& model : engine.loaded) fmt::print("  loaded: {}\n", model);
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
  return 0;
}

}  // namespace

Command status() {
  return command("status", "Is the daemon running, and how is it", run,
                 [](Form& form) { form.json(); });
}

}  // namespace hearth::cli
