// One attempt's money from its hold to its bill, however it ends.
//
//   auto payment = co_await Payment::open(account, spend_of(...));
//   if (!payment) ...                      // over_budget: elsewhere
//   payment->limit(body);                  // before sending
//   payment->may_have_left();              // from here on it can be billed
//   ... payment->heard(delta) ...
//   payment->close(answer);
//
// One that is never closed was withdrawn: it is billed by what was sent and heard. Lives on the
// loop thread; the account outlives it.
#pragma once

#include "router/account.h"

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

  void may_have_left() { may_be_billed_ = true; }
  void heard(const StreamDelta& delta) { n_heard_bytes_ += delta.text.size(); }

  // Settles; writes into the answer's usage what it cost.
  PicoUsd close(Answer& answer);

 private:
  Payment(Account* account, Hold hold, uint64_t n_prompt)
      : account_(account), hold_(hold), n_prompt_(n_prompt) {}

  Account* account_;  // null: closed
  Hold hold_;
  uint64_t n_prompt_ = 0;
  uint64_t n_heard_bytes_ = 0;
  bool may_be_billed_ = false;
};

}  // namespace hearth::router
