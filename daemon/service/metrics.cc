#include "service/metrics.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iterator>

#include "service/prometheus.h"

namespace hearth {

namespace {

using prometheus::escaped;

struct Page {
  std::string text;

  void family(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(std::back_inserter(text), "# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                   type);
  }
  template <class T>
  void one(std::string_view name, std::string_view type, std::string_view help, T value) {
    family(name, type, help);
    fmt::format_to(std::back_inserter(text), "{} {}\n", name, value);
  }
};

void money(Page& page, const router::Ledger& ledger, const router::Policy* policy,
           uint64_t n_refused) {
  auto rows = std::back_inserter(page.text);
  const router::Ledger::Totals& totals = ledger.totals();
  page.family("hearth_attempts_total", "counter", "Attempts by target.");
  for (const auto& [name, target] : totals.targets)
    fmt::format_to(rows, "hearth_attempts_total{{target=\"{}\"}} {}\n", escaped(name),
                   target.n_attempts);
  page.family("hearth_spend_usd_total", "counter", "Money spent since the start, by target.");
  for (const auto& [name, target] : totals.targets)
    fmt::format_to(rows, "hearth_spend_usd_total{{target=\"{}\"}} {}\n", escaped(name),
                   router::to_text(target.spent));
  page.one("hearth_reserved_usd", "gauge", "Held for attempts under way.",
           router::to_text(ledger.held()));
  page.one("hearth_attempts_unknown", "gauge", "Attempts of unknown cost, counted at their most.",
           ledger.n_unknown());
  page.one("hearth_budget_refusals_total", "counter",
           "Requests and attempts that a budget refused.", n_refused + totals.n_refused);
  page.one("hearth_bills_estimated_total", "counter",
           "Attempts billed without the provider's word.", totals.n_estimated);
  page.one("hearth_bills_drifted_total", "counter", "Bills that differ from the provider's own.",
           totals.n_drifted);
  page.one("hearth_bills_over_reservation_total", "counter",
           "Attempts that cost more than was reserved.", totals.n_overshot);
  if (!policy) return;
  auto budgets = [&](std::string_view name, std::string_view help, auto amount) {
    page.family(name, "gauge", help);
    for (const router::Budget& budget : policy->budgets)
      if (budget.scope != "session")
        fmt::format_to(rows, "{}{{budget=\"{}\"}} {}\n", name, escaped(budget.scope),
                       router::to_text(amount(budget)));
  };
  budgets("hearth_budget_usd", "What a budget is.",
          [](const router::Budget& budget) { return budget.limit(); });
  budgets("hearth_budget_spent_usd", "Spent of it in its period.",
          [&](const router::Budget& budget) { return ledger.spent(budget).spent; });
  budgets("hearth_budget_left_usd", "Neither spent nor held of it.",
          [&](const router::Budget& budget) {
            const router::Spending::Sums sums = ledger.spent(budget);
            return budget.limit() - sums.spent - sums.held;
          });
}

void write_targets(Page& page, const std::vector<router::TargetStanding>& targets) {
  using Standing = router::TargetStanding;
  auto write = [&](std::string_view name, std::string_view type, std::string_view help,
                   auto value) {
    page.family(name, type, help);
    for (const Standing& each : targets)
      if (std::optional<double> number = value(each))
        fmt::format_to(std::back_inserter(page.text), "{}{{target=\"{}\",endpoint=\"{}\"}} {}\n",
                       name, escaped(each.target), escaped(each.endpoint), *number);
  };
  using Number = std::optional<double>;
  write("hearth_target_up", "gauge", "0 while a target is left alone after failures.",
        [](const Standing& each) -> Number { return each.down ? 0 : 1; });
  write("hearth_target_attempts_total", "counter", "Attempts at a target.",
        [](const Standing& each) -> Number { return static_cast<double>(each.n_attempts); });
  write("hearth_target_failures_total", "counter", "Attempts that failed.",
        [](const Standing& each) -> Number { return static_cast<double>(each.n_failures); });
  write("hearth_target_running", "gauge", "Attempts under way.",
        [](const Standing& each) -> Number { return each.n_running; });
  write("hearth_target_requests_left", "gauge", "Requests that its account lets in now.",
        [](const Standing& each) -> Number { return each.n_requests_left; });
  write("hearth_target_tokens_left", "gauge", "Tokens that its account lets in now.",
        [](const Standing& each) -> Number { return each.n_tokens_left; });
  write("hearth_target_first_word_p95_ms", "gauge", "Time to the first word, 95th percentile.",
        [](const Standing& each) { return each.first_word_p95_ms; });
  write("hearth_pool_server_running", "gauge", "Requests in a server's batch, as it says.",
        [](const Standing& each) { return each.server_running; });
  write("hearth_pool_server_waiting", "gauge", "Requests that wait in a server, as it says.",
        [](const Standing& each) { return each.server_waiting; });
  write("hearth_pool_cache_use", "gauge", "Share of a server's KV cache in use.",
        [](const Standing& each) { return each.cache_use; });
  write("hearth_pool_hit_rate", "gauge", "Share of prompts found in a server's prefix cache.",
        [](const Standing& each) { return each.hit_rate; });
}

}  // namespace

void Metrics::request_ended(router::Origin origin, const Answer& answer) {
  --n_running_;
  Counts& counts = by_origin_[static_cast<size_t>(origin)];
  if (!answer) {
    ++(answer.error().code == Errc::cancelled ? counts.n_cancelled : counts.n_failed);
    return;
  }
  ++(answer->finish_reason == FinishReason::cancelled ? counts.n_cancelled : counts.n_ok);
  n_prompt_tokens_ += answer->usage.n_prompt;
  n_cached_tokens_ += answer->usage.n_cached;
  n_completion_tokens_ += answer->usage.n_completion;
  prefill_s_ += answer->timings.prefill_ms / 1000;
  decode_s_ += answer->timings.decode_ms / 1000;
}

namespace {

void forecasts(Page& page, const router::Learner& learner) {
  page.family(
      "hearth_forecast_error", "gauge",
      "How far forecasts lay from what came (root mean square; of cost and time relative).");
  for (const auto& [name, error] : learner.forecast_errors())
    for (auto [what, value] : {std::pair("cost", error.cost()),
                               {"seconds", error.seconds()},
                               {"quality", error.quality()}})
      fmt::format_to(std::back_inserter(page.text),
                     "hearth_forecast_error{{target=\"{}\",what=\"{}\"}} {}\n", escaped(name), what,
                     value);
}

}  // namespace

double Metrics::uptime_s() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

std::string Metrics::prometheus(const Gauges& gauges) const {
  Page page;
  page.family("hearth_requests_total", "counter", "Completions by served wire and outcome.");
  for (const auto& [origin, name] : EnumNames<router::Origin>::names) {
    const Counts& counts = by_origin_[static_cast<size_t>(origin)];
    auto row = [&page, wire = name](std::string_view outcome, uint64_t n) {
      fmt::format_to(std::back_inserter(page.text),
                     "hearth_requests_total{{wire=\"{}\",outcome=\"{}\"}} {}\n", wire, outcome, n);
    };
    row("ok", counts.n_ok);
    row("cancelled", counts.n_cancelled);
    row("failed", counts.n_failed);
  }
  write_targets(page, gauges.targets);
  page.one("hearth_requests_running", "gauge", "Completions in progress.", n_running_);
  page.one("hearth_prompt_tokens_total", "counter", "Prompt tokens of finished requests.",
           n_prompt_tokens_);
  page.one("hearth_cached_tokens_total", "counter", "Prompt tokens taken from the KV cache.",
           n_cached_tokens_);
  page.one("hearth_completion_tokens_total", "counter", "Tokens generated.", n_completion_tokens_);
  page.one("hearth_prefill_seconds_total", "counter", "Time spent reading prompts.", prefill_s_);
  page.one("hearth_decode_seconds_total", "counter", "Time spent generating.", decode_s_);
  gen_ai_.write(page.text);
  if (learner_) forecasts(page, *learner_);
  page.one("hearth_connections", "gauge", "Open client connections.", gauges.n_connections);
  page.one("hearth_uptime_seconds", "gauge", "Time since start.", uptime_s());
  page.one("process_resident_memory_bytes", "gauge", "Resident memory of the daemon.",
           resident_bytes());
  if (gauges.ledger) money(page, *gauges.ledger, gauges.policy.get(), n_refused_by_budget_);
  if (gauges.engine) {
    engine::SnapshotData snapshot = gauges.engine->snapshot();
    page.one("hearth_engine_up", "gauge", "1 while an engine process runs.",
             gauges.engine->pid() > 0 ? 1 : 0);
    page.one("hearth_engine_crashes_total", "counter", "Unexpected ends of engine processes.",
             gauges.engine->n_crashes());
    page.one("hearth_engine_queued", "gauge", "Requests waiting in the engine.", snapshot.n_queued);
    page.one("hearth_engine_running", "gauge", "Requests in the engine's batch.",
             snapshot.n_running);
    page.one("hearth_engine_kv_pages_used", "gauge", "KV cache pages in use.",
             snapshot.n_pages_used);
    page.one("hearth_engine_kv_pages", "gauge", "KV cache pages in all.", snapshot.n_pages_total);
    page.one("hearth_engine_prefill_tokens_per_second", "gauge", "Recent prompt speed.",
             snapshot.prefill_tokens_per_s);
    page.one("hearth_engine_decode_tokens_per_second", "gauge", "Recent generation speed.",
             snapshot.decode_tokens_per_s);
    page.one("hearth_engine_decode_tokens_total", "counter", "Rows that decoding has computed.",
             snapshot.n_decode_tokens);
    const engine::EngineClient::Checked checked = gauges.engine->last_forecast();
    page.one("hearth_engine_forecast_milliseconds", "gauge",
             "Time to the first token that was forecast, of the newest answer with a forecast.",
             checked.forecast_ms);
    page.one("hearth_engine_first_token_milliseconds", "gauge", "What that time was.",
             checked.measured_ms);
  }
  return std::move(page.text);
}

uint64_t resident_bytes() {
  FILE* statm = std::fopen("/proc/self/statm", "re");
  if (!statm) return 0;
  unsigned long long n_total = 0, n_resident = 0;
  int n_read = std::fscanf(statm, "%llu %llu", &n_total, &n_resident);
  std::fclose(statm);
  return n_read == 2 ? n_resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace hearth
