// A decision as it is kept: all that it was made from, what came of it, and, where the user keeps
// them, the request's own words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "inference/completion.h"
#include "router/decision.h"
#include "router/money.h"

namespace hearth::router {

struct DecisionOutcome {
  int64_t ended_ms = 0;           // Unix
  std::optional<Errc> failed_as;  // absent: answered
  std::string failure;            // in words, "" when answered
  std::string speaker;            // whose failure
  std::optional<FinishReason> finish_reason;
  std::string model;  // that answered, as it names itself
  std::optional<StandIn> stand_in;
  Usage usage;
  Timings timings;
  double latency_ms = 0;  // from the decision to the last byte
  static void fields(auto& self, auto&& field) {
    field("endedMs", self.ended_ms);
    field("failedAs", self.failed_as);
    field.or_default("failure", self.failure);
    field.or_default("speaker", self.speaker);
    field("finishReason", self.finish_reason);
    field.or_default("model", self.model);
    field("standIn", self.stand_in);
    field.or_default("usage", self.usage);
    field.or_default("timings", self.timings);
    field.or_default("latencyMs", self.latency_ms);
  }
};

struct StoredDecision {
  DecisionRecord record;
  std::optional<DecisionOutcome> outcome;  // absent: under way, or the daemon ended before
  PicoUsd cost;                            // of all attempts, as the ledger has it
  uint32_t n_attempts = 0;
  std::optional<double> quality;          // 0..1, by whoever judged the answer
  std::string body_hash;                  // SHA-256 of the request, hexadecimal; "": not kept
  std::optional<CompletionRequest> body;  // only with [ledger] bodies = "full", never of a labelled
                                          // request
};

}  // namespace hearth::router
