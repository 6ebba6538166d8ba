// One attempt's money from its hold to its bill, however it ends.
//
//   auto payment = co_await Payment::open(account, spend_of(...));
//   if (!payment) ...                      // over_budget: elsewhere
//   payment->limit(body);                  // before sending
//   ...
//   payment->settle(settlement_of(...));
//
// One that is never settled is released: nothing was sent. Lives on the loop thread; the account
// outlives it.
#pragma once

#include "router/account.h"
#include "router/attempt.h"

namespace hearth::router {

class Payment {
 public:
  // A null account pays for everything and writes nothing.
  static Task<Result<Payment>> open(Account* account, Spend spend);
  ~Payment();
  Payment(Payment&& other) noexcept;
  Payment& operator=(Payment&&) = delete;

  // Asks for no longer an answer than is paid for.
  void limit(CompletionRequest& body) const;

  PicoUsd settle(const Settlement& settlement);

 private:
  Payment(Account* account, Hold hold) : account_(account), hold_(hold) {}

  Account* account_;  // null: closed
  Hold hold_;
};

// What an attempt is settled by. A refusal is not billed; what broke off or was withdrawn usually
// is, for what was read and written until then: an estimate.
Settlement settlement_of(const Attempt& attempt, const Answer& answer, uint64_t n_prompt_estimate);

}  // namespace hearth::router
