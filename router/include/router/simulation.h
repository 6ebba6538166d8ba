// Routing over recorded outcomes: what the router would have made of them, beside always one
// target, a random one, and the best for each request in hindsight.
//
// The estimator and decide() are those of serving. Of a row they see the facts; an outcome is seen
// of the chosen target alone, after the choice, and learned from. Rows for training are seen whole.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/policy.h"
#include "support/record.h"
#include "support/result.h"

namespace hearth::router {

struct RecordedOutcome {
  double quality = 0;   // 0..1
  double cost_usd = 0;  // not negative
  std::optional<double> latency_ms;
  static void fields(auto& self, auto&& field) {
    field("quality", self.quality);
    field("cost_usd", self.cost_usd);
    field("latency_ms", self.latency_ms);
  }
};

struct RecordedRequest {
  std::optional<std::string> prompt;
  std::optional<std::string> task;  // of TaskClass, or any other name
  std::vector<std::string> labels;
  std::optional<uint64_t> n_input_tokens, n_output_tokens;
  std::map<std::string, RecordedOutcome> targets;
  static void fields(auto& self, auto&& field) {
    field("prompt", self.prompt);
    field("class", self.task);
    field("labels", self.labels);
    field("input_tokens", self.n_input_tokens);
    field("output_tokens", self.n_output_tokens);
    field("targets", self.targets);
  }
};

// One JSON object a line; the error names the line. Blank lines are passed over.
Result<std::vector<RecordedRequest>> parse_recorded(std::string_view text,
                                                    const std::string& file_name);

struct SimulationOptions {
  double success_usd = 1;      // what quality 1 is worth
  Policy policy;               // its targets need not be those of the rows
  std::string model = "auto";  // as a request asks: auto, auto:cheap, ...
  uint64_t seed = 1;
  int n_resamples = 2000;
};

struct Sums {
  uint64_t n_rows = 0;
  double quality = 0, cost_usd = 0, utility_usd = 0;
  static void fields(auto& self, auto&& field) {
    field("rows", self.n_rows);
    field("quality", self.quality);
    field("cost_usd", self.cost_usd);
    field("utility_usd", self.utility_usd);
  }
};

// Utility of the router less that of the best fixed target, summed over the rows that have it, with
// the 95 % interval of a bootstrap over pairs.
struct Advantage {
  std::string best_fixed;
  double utility_usd = 0, low_usd = 0, high_usd = 0;
  double oracle_gap_closed = 0;  // share of what hindsight would add
  static void fields(auto& self, auto&& field) {
    field("best_fixed", self.best_fixed);
    field("utility_usd", self.utility_usd);
    field("low_usd", self.low_usd);
    field("high_usd", self.high_usd);
    field("oracle_gap_closed", self.oracle_gap_closed);
  }
};

struct SimulationReport {
  Sums router, oracle, random;  // random: the mean over a row's targets
  std::map<std::string, Sums> fixed;
  std::map<std::string, double> share;  // of the rows, by chosen target
  uint64_t n_refused = 0, n_explored = 0;
  Advantage advantage;
  static void fields(auto& self, auto&& field) {
    field("router", self.router);
    field("oracle", self.oracle);
    field("random", self.random);
    field("fixed", self.fixed);
    field("share", self.share);
    field("refused", self.n_refused);
    field("explored", self.n_explored);
    field("router_minus_best_fixed", self.advantage);
  }
};

SimulationReport simulate(const std::vector<RecordedRequest>& rows,
                          const std::vector<RecordedRequest>& training,
                          const SimulationOptions& options);

}  // namespace hearth::router
