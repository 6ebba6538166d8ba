// Writes decisions and what came of them into the ledger's file, for explain, replay and trial.
//
// What it costs the loop thread is a copy; encoding, hashing and the disk are the writer's, which
// gathers for half a second, since nobody waits. What the disk does not take is lost: these are
// records, not money. Lives on the loop thread; the ledger outlives it.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "router/ledger.h"
#include "router/stored_decision.h"

namespace hearth::router {

class DecisionStore {
 public:
  explicit DecisionStore(Ledger& ledger) : ledger_(ledger) {}

  void decided(const DecisionRecord& record);
  // The words, as far as the rules let them be kept: a labelled request's never are.
  void asked(const DecisionRecord& record, const CompletionRequest& body, const LedgerRules& rules);
  void ended(const DecisionRecord& record, const Answer& answer);

  // How good the answer was, 0..1: by a verifier, a user, a judge.
  void judged(const std::string& decision_id, double quality);

  // Removes what is older than the rules say, and the oldest beyond their quota. The store asks for
  // it by itself now and then.
  void tidy(const LedgerRules& rules);

 private:
  void write(storage::Writer::Work work);

  Ledger& ledger_;
  uint32_t n_since_tidy_ = 0;
};

}  // namespace hearth::router
