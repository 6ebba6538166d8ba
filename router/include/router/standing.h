// How a target has been doing, for people: `hearth status`, /metrics.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "support/record.h"

namespace hearth::router {

struct TargetStanding {
  std::string target;
  std::string endpoint;             // of a pool, else ""
  std::optional<std::string> down;  // why it is not asked now
  double wait_ms = 0;               // until it is asked again
  uint64_t n_attempts = 0, n_failures = 0;
  uint32_t n_running = 0;
  std::optional<uint64_t> n_requests_left, n_tokens_left;
  std::optional<double> first_word_p50_ms, first_word_p95_ms;
  // As a pool's server publishes them.
  std::optional<double> server_running, server_waiting, cache_use, hit_rate;
  static void fields(auto& self, auto&& field) {
    field("target", self.target);
    field.or_default("endpoint", self.endpoint);
    field("down", self.down);
    field("waitMs", self.wait_ms);
    field("attempts", self.n_attempts);
    field("failures", self.n_failures);
    field("running", self.n_running);
    field("requestsLeft", self.n_requests_left);
    field("tokensLeft", self.n_tokens_left);
    field("firstWordP50Ms", self.first_word_p50_ms);
    field("firstWordP95Ms", self.first_word_p95_ms);
    field("serverRunning", self.server_running);
    field("serverWaiting", self.server_waiting);
    field("cacheUse", self.cache_use);
    field("hitRate", self.hit_rate);
  }
};

}  // namespace hearth::router
