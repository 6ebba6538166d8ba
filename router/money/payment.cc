#include "money/payment.h"

#include <utility>

namespace hearth::router {

Task<Result<Payment>> Payment::open(Account* account, Spend spend) {
  const uint64_t n_prompt = spend.n_prompt_estimate;
  Hold hold;
  if (account) {
    auto held = co_await account->reserve(std::move(spend));
    if (!held) co_return held.error();
    hold = *held;
  }
  Payment payment(account, hold, n_prompt);
  co_return std::move(payment);
}

Payment::Payment(Payment&& other) noexcept
    : account_(std::exchange(other.account_, nullptr)),
      hold_(other.hold_),
      n_prompt_(other.n_prompt_),
      n_heard_bytes_(other.n_heard_bytes_),
      may_be_billed_(other.may_be_billed_) {}

Payment::~Payment() {
  Answer withdrawn = Failure(Error{Errc::cancelled, "the client withdrew"});
  close(withdrawn);
}

void Payment::limit(CompletionRequest& body) const {
  const uint32_t most = hold_.max_output_tokens;
  if (most && (body.max_tokens == 0 || body.max_tokens > most)) body.max_tokens = most;
}

PicoUsd Payment::close(Answer& answer) {
  Account* account = std::exchange(account_, nullptr);
  if (!account) return {};
  if (!may_be_billed_) {
    account->release(hold_);
    return {};
  }
  Settlement settlement;
  settlement.estimate = estimate_usage(n_prompt_, n_heard_bytes_);
  if (answer) {
    const Usage& usage = answer->usage;
    const bool has_count = usage.n_prompt || usage.n_completion;
    if (has_count) settlement.reported = usage;
    if (usage.cost_pico) settlement.reported_cost = PicoUsd(*usage.cost_pico);
    settlement.timings = answer->timings;
  } else {
    settlement.failed_as = answer.error().code;
    // Who refuses does not bill.
    if (answer.error().http_status >= 400) settlement.reported = Usage{};
  }
  const PicoUsd cost = account->settle(hold_, settlement);
  if (answer) answer->usage.cost_pico = cost.pico();
  return cost;
}

}  // namespace hearth::router
