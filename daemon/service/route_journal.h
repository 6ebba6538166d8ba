// What becomes of every request, in the log and in the counters.
//
// Lives on the loop thread. One line at info when it is decided; the whole record, from which the
// decision can be replayed, at debug. No text of a request is in either.
#pragma once

#include "router/decision_log.h"
#include "service/metrics.h"

namespace hearth {

class RouteJournal : public router::DecisionLog {
 public:
  explicit RouteJournal(Metrics& metrics) : metrics_(metrics) {}

  void decided(const router::DecisionRecord& record) override;
  void ended(const router::DecisionRecord& record, const Answer& answer) override;

 private:
  Metrics& metrics_;
};

}  // namespace hearth
