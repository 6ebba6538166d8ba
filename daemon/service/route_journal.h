// What becomes of every request, in the log and in the counters.
//
// Lives on the loop thread. One line at info when it is decided; the whole record, from which the
// decision can be replayed, in the ledger's file. No text of a request is in the log, and in the
// ledger only where the policy says so.
#pragma once

#include "router/decision_log.h"
#include "router/decision_store.h"
#include "service/metrics.h"

namespace hearth {

class RouteJournal : public router::DecisionLog {
 public:
  RouteJournal(Metrics& metrics, router::Ledger& ledger) : metrics_(metrics), store_(ledger) {}

  void decided(const router::DecisionRecord& record) override;
  void asked(const router::DecisionRecord& record, const CompletionRequest& body,
             const router::Policy& policy) override;
  void attempted(const router::DecisionRecord& record,
                 const router::AttemptRecord& attempt) override {
    metrics_.attempted(record.facts.origin, attempt);
  }
  void ended(const router::DecisionRecord& record, const Answer& answer) override;

 private:
  Metrics& metrics_;
  router::DecisionStore store_;
};

}  // namespace hearth
