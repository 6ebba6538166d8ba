// Counters of the daemon and their Prometheus text form (GET /metrics, ops/metrics).
// Lives on the loop thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>

#include "inference/completion.h"
#include "inference/engine_client.h"
#include "router/decision.h"
#include "router/learner.h"
#include "router/ledger.h"
#include "router/standing.h"
#include "service/gen_ai_metrics.h"

namespace hearth {

class Metrics {
 public:
  void request_started() { ++n_running_; }
  void refused_by_budget() { ++n_refused_by_budget_; }
  void request_ended(router::Origin origin, const Answer& answer);
  void attempted(router::Origin origin, const router::AttemptRecord& attempt) {
    gen_ai_.attempted(origin, attempt);
  }

  // Whose forecast errors are shown; outlives this.
  void watch(const router::Learner& learner) { learner_ = &learner; }

  struct Gauges {
    size_t n_connections = 0;
    const engine::EngineClient* engine = nullptr;
    const router::Ledger* ledger = nullptr;
    std::shared_ptr<const router::Policy> policy;  // whose budgets are shown
    std::vector<router::TargetStanding> targets{};
  };
  std::string prometheus(const Gauges& gauges) const;
  double uptime_s() const;

 private:
  struct Counts {
    uint64_t n_ok = 0;
    uint64_t n_cancelled = 0;
    uint64_t n_failed = 0;
  };
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::array<Counts, std::size(EnumNames<router::Origin>::names)> by_origin_{};
  uint64_t n_running_ = 0;
  uint64_t n_refused_by_budget_ = 0;
  uint64_t n_prompt_tokens_ = 0;
  uint64_t n_cached_tokens_ = 0;
  uint64_t n_completion_tokens_ = 0;
  double prefill_s_ = 0;
  double decode_s_ = 0;
  GenAiMetrics gen_ai_;
  const router::Learner* learner_ = nullptr;
};

// Resident set of this process, from /proc; 0 where that is missing.
uint64_t resident_bytes();

}  // namespace hearth
