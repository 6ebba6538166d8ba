// Where decisions are written down: for explain and replay, the ledger, metrics.
#pragma once

#include "inference/completion.h"
#include "router/attempt.h"
#include "router/decision.h"
#include "router/policy.h"

namespace hearth::router {

// Lives on the loop thread. Every request that reaches the router is told when it is decided and
// when it is over, whoever sent it and however it ends; in between, each attempt.
class DecisionLog {
 public:
  virtual ~DecisionLog() = default;
  virtual void decided(const DecisionRecord& record) = 0;
  // The words that a decision was about, right behind it: for whoever may keep them.
  virtual void asked(const DecisionRecord&, const CompletionRequest&, const Policy&) {}
  virtual void attempted(const DecisionRecord&, const AttemptRecord&) {}
  // Errc::cancelled when the client withdrew; a refusal by the decision itself ends too.
  virtual void ended(const DecisionRecord& record, const Answer& answer) = 0;
};

}  // namespace hearth::router
