// `hearth route replay`: the decisions in the ledger, decided again under another policy. Reads the
// ledger's file; a daemon may run beside it.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "cli/commands.h"
#include "cli/policy_option.h"
#include "cli/terminal.h"
#include "cli/time_option.h"
#include "router/ledger_reader.h"
#include "router/replay.h"
#include "support/json.h"

namespace hearth::cli {

namespace {

struct Options {
  std::string policy, since, until;
};

void print_amount(std::string_view name, const router::ReplayedAmount& amount) {
  fmt::print("{:<10} {:>14.6f} {:>14.6f} {:>+14.6f}   (95 %: {:+.6f} to {:+.6f})\n", name,
             amount.logged, amount.replayed, amount.difference, amount.low, amount.high);
}

void print_report(const router::ReplayReport& report) {
  fmt::print("{} decisions under policy {}: {} go elsewhere, {} are refused ({} were)\n\n",
             report.n_decisions, printable(report.policy), report.n_moved, report.n_refused,
             report.n_logged_refused);
  fmt::print("{:<10} {:>14} {:>14} {:>14}\n", "", "LOGGED", "REPLAYED", "DIFFERENCE");
  print_amount("USD", report.cost_usd);
  print_amount("seconds", report.seconds);
  fmt::print("{:<10} {:>14} {:>14}\n\n", "switches", report.n_logged_switches, report.n_switches);
  for (const auto& [name, n] : report.chosen) {
    auto before = report.logged_chosen.find(name);
    fmt::print("{:<28} {:>8} -> {:>8}\n", printable(name),
               before == report.logged_chosen.end() ? 0 : before->second, n);
  }
  for (const auto& [name, n] : report.logged_chosen)
    if (!report.chosen.contains(name)) fmt::print("{:<28} {:>8} -> {:>8}\n", printable(name), n, 0);
  for (const router::ReplayedBudget& budget : report.budgets)
    fmt::print("budget {}: at most ${:.4f} of ${:.2f} within its period, {} requests refused\n",
               printable(budget.scope), budget.most_spent_usd, budget.limit_usd, budget.n_refused);
  const router::ReplayedQuality& quality = report.quality;
  if (quality.is_estimable)
    fmt::print(
        "quality: {:.3f} logged, {:.3f} replayed (95 %: {:.3f} to {:.3f}; {:.0f} of {} judged "
        "answers count)\n",
        quality.logged, quality.doubly_robust, quality.low, quality.high, quality.effective_sample,
        quality.n_judged);
  else
    fmt::print("quality: not estimable: {}\n", quality.why_not);
  for (const std::string& name : report.unknown_targets)
    fmt::print("{} was never a candidate: its figures are the policy's own\n", printable(name));
}

int run(const Common& common, const Options& options) {
  auto policy = policy_named(common, options.policy);
  if (!policy) return fail(policy.error());
  router::TimeRange range;
  for (auto [text, into] :
       {std::pair(&options.since, &range.since_ms), {&options.until, &range.until_ms}}) {
    if (text->empty()) continue;
    auto time = parse_time(*text, now_ms());
    if (!time) return fail(time.error());
    *into = *time;
  }
  auto reader = router::LedgerReader::open(ledger_folder(common));
  if (!reader) return fail(reader.error());
  router::Replay replay(**policy, {});
  auto visited = reader->decisions(range, false, [&](router::StoredDecision decision) {
    replay.add(decision);
    return true;
  });
  if (!visited) return fail(visited.error());
  const router::ReplayReport report = replay.report();
  if (report.n_decisions == 0)
    return fail({Errc::not_found, "the ledger holds no decision of that time"});
  if (common.json)
    fmt::print("{}\n", json::encode(report));
  else
    print_report(report);
  return 0;
}

}  // namespace

Command route_replay() {
  auto declare = [](Form& form, Options& options) {
    form.option("--policy", options.policy,
                "The policy to try: a file, or the name of the one in force")
        .required();
    form.option("--since", options.since, "From then on: 2026-11-30, 7d, 12h");
    form.option("--until", options.until, "Up to then");
    form.json();
  };
  return command("replay", "Decide what is in the log again under another policy", run, declare);
}

}  // namespace hearth::cli
