#include "money/payment.h"

#include <algorithm>
#include <utility>

namespace hearth::router {

Task<Result<Payment>> Payment::open(Account* account, Spend spend) {
  Hold hold;
  if (account) {
    auto held = co_await account->reserve(std::move(spend));
    if (!held) co_return held.error();
    hold = *held;
  }
  Payment payment(account, hold);
  co_return std::move(payment);
}

Payment::Payment(Payment&& other) noexcept
    : account_(std::exchange(other.account_, nullptr)), hold_(other.hold_) {}

Payment::~Payment() {
  if (account_) account_->release(hold_);
}

void Payment::limit(CompletionRequest& body) const {
  const uint32_t most = hold_.max_output_tokens;
  if (most && (body.max_tokens == 0 || body.max_tokens > most)) body.max_tokens = most;
}

PicoUsd Payment::settle(const Settlement& settlement) {
  Account* account = std::exchange(account_, nullptr);
  return account ? account->settle(hold_, settlement) : PicoUsd();
}

Settlement settlement_of(const Attempt& attempt, const Answer& answer, uint64_t n_prompt_estimate) {
  Settlement settlement;
  settlement.estimate = estimate_usage(n_prompt_estimate, attempt.n_answer_bytes);
  if (attempt.usage && attempt.basis == UsageBasis::reported) {  // counted until then: nearer
    const uint32_t n_written =
        std::max(settlement.estimate.n_completion, attempt.usage->n_completion);
    settlement.estimate = *attempt.usage;
    settlement.estimate.n_completion = n_written;
  }
  if (answer) {
    settlement.timings = answer->timings;
    if (attempt.basis == UsageBasis::reported) settlement.reported = answer->usage;
    if (answer->usage.cost_pico) settlement.reported_cost = PicoUsd(*answer->usage.cost_pico);
    return settlement;
  }
  settlement.failed_as = answer.error().code;
  settlement.word = answer.error().word;
  if (attempt.is_refused) settlement.reported = Usage{};
  return settlement;
}

}  // namespace hearth::router
