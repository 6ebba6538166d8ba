// The seam between sending a request and paying for it.
//
//   auto hold = co_await account.reserve(spend);       // on the disk before a byte leaves
//   if (!hold) ...                                     // over_budget names the budget: elsewhere
//   ... send, with body.max_tokens <= hold->max_output_tokens when that is not 0 ...
//   account.settle(*hold, settlement);                 // or release(*hold): nothing was sent
//
// A hold that is neither settled nor released counts at its full amount, also after a crash, until
// the user decides. Lives on the loop thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "inference/completion.h"
#include "router/budget.h"
#include "router/decision.h"
#include "router/policy.h"
#include "router/price.h"
#include "support/task.h"

namespace hearth::router {

// One attempt at one target, about to be made.
struct Spend {
  std::shared_ptr<const Policy> policy;  // its budgets hold
  std::string decision, request;         // ids
  uint32_t n_attempt = 1;                // of this request
  Party party;
  std::string provider, model;
  std::optional<Price> price;  // absent: it costs nothing
  // Upper bounds of what may be billed; max_output is what the client asked for, 0: nothing said.
  uint64_t n_prompt_estimate = 0;
  uint32_t max_output = 0;
  uint32_t n_model_output = 0;  // the most that the model gives; 0: not known
  bool only_reads = false;      // nothing is answered
  bool asks_for_hour_cache = false;
  uint32_t n_spoken = 0;           // messages of the user so far
  std::optional<Effort> effort{};  // that it is asked for
  bool is_hedge = false;           // a second leg
};

Spend spend_of(std::shared_ptr<const Policy> policy, const RequestFacts& facts,
               const CompletionRequest& body, const Target& target, std::optional<Effort> effort,
               const std::string& decision, uint32_t n_attempt);

struct Hold {
  int64_t id = 0;
  PicoUsd amount;
  uint32_t max_output_tokens = 0;  // what the amount pays for; 0: no bound
};

// How an attempt ended.
struct Settlement {
  std::optional<Usage> reported;  // by the provider
  Usage estimate;                 // taken when nothing, or nonsense, was reported (estimate_usage)
  std::optional<PicoUsd> reported_cost;
  std::optional<Errc> failed_as;  // absent: answered
  std::string word{};             // the provider's own, of a failure
  Timings timings{};
};

// From sizes alone, for when a provider does not say: what was sent, and what was heard of an
// answer.
Usage estimate_usage(uint64_t n_prompt_estimate, uint64_t n_answer_bytes);

class Account {
 public:
  virtual ~Account() = default;

  // For decide(): the least that must be free for this request at this target and level, and the
  // budget that holds least. Waits for nobody.
  virtual Means means(const Policy& policy, const RequestFacts& facts, const Target& target,
                      std::optional<Effort> effort) const = 0;

  // Errors: over_budget (failure words of the budget), io when it could not be made durable.
  // Free attempts do not wait.
  virtual Task<Result<Hold>> reserve(Spend spend) = 0;

  // What it cost. May run in a destructor; the disk follows.
  virtual PicoUsd settle(const Hold& hold, const Settlement& settlement) = 0;
  virtual void release(const Hold& hold) = 0;

  // What the request's session has done since the user last spoke (facts.rounds.n_spoken).
  virtual void recall(RequestFacts& facts) const = 0;
};

// "budget day is $0.50; $0.47 is spent and $0.01 held today, and this may cost $0.12"; nothing when
// the means suffice, for what they say is needed or for this many pico-dollars.
std::optional<std::string> shortfall(const Means& means);
std::optional<std::string> shortfall(const Means& means, int64_t needed);

}  // namespace hearth::router
