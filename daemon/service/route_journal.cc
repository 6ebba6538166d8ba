#include "service/route_journal.h"

#include "support/log.h"

namespace hearth {

void RouteJournal::decided(const router::DecisionRecord& record) {
  metrics_.request_started();
  const router::Decision& decision = record.decision;
  log::info("routed", {{"decision", decision.id},
                       {"request", record.facts.id},
                       {"policy", record.policy_hash},
                       {"target", decision.target.empty() ? "-" : decision.target},
                       {"effort", decision.effort ? enum_name(*decision.effort) : ""},
                       {"reason", decision.reason}});
  if (decision.refused_as == Errc::over_budget) metrics_.refused_by_budget();
  store_.decided(record);
}

void RouteJournal::asked(const router::DecisionRecord& record, const CompletionRequest& body,
                         const router::Policy& policy) {
  store_.asked(record, body, policy.ledger);
}

void RouteJournal::ended(const router::DecisionRecord& record, const Answer& answer) {
  metrics_.request_ended(record.facts.origin, answer);
  store_.ended(record, answer);
  if (record.stand_in)
    log::info("answered by another",
              {{"decision", record.decision.id}, {"reason", record.stand_in->reason}});
  if (answer || answer.error().code == Errc::cancelled) return;
  const Failure& failure = answer.error();
  log::warn("not answered", {{"decision", record.decision.id},
                             {"speaker", failure.speaker},
                             {"code", enum_name(failure.code)},
                             {"remedy", enum_name(failure.remedy)},
                             {"error", failure.message}});
}

}  // namespace hearth
