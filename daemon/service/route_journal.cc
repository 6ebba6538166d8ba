#include "service/route_journal.h"

#include "support/json.h"
#include "support/log.h"

namespace hearth {

void RouteJournal::decided(const router::DecisionRecord& record) {
  metrics_.request_started();
  const router::Decision& decision = record.decision;
  log::info("routed", {{"decision", decision.id},
                       {"request", record.facts.id},
                       {"policy", record.policy_hash},
                       {"target", decision.target.empty() ? "-" : decision.target},
                       {"reason", decision.reason}});
  log::debug("decision", {{"record", json::encode(record)}});
}

void RouteJournal::ended(const router::DecisionRecord& record, const Answer& answer) {
  metrics_.request_ended(record.facts.origin, answer);
  if (answer || answer.error().code == Errc::cancelled) return;
  const Failure& failure = answer.error();
  log::warn("not answered", {{"decision", record.decision.id},
                             {"speaker", failure.speaker},
                             {"code", enum_name(failure.code)},
                             {"remedy", enum_name(failure.remedy)},
                             {"error", failure.message}});
}

}  // namespace hearth
