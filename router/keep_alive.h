// Keeps a conversation's prompt in its provider's cache, while that is likely to pay.
//
// Problem: such a cache dies some minutes after it was last read, and to read the prompt anew costs
// about ten times what reading it once more in time does. Idea: just before it dies the same prompt
// is sent again, for one token of answer, if the chance that the conversation goes on within
// another life of the cache, times what that would save, is more than the price of asking. The
// chance is counted over this user's own pauses, by how many lives of the cache they have lasted.
// So asked is at most kMostLives times, through the dispatcher: budgets, labels, the ledger of
// money and that of what left hold for it as for any request.
//
// The text of the last prompt of a few conversations is in memory for as long. Loop thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "router/decision.h"
#include "router/policy.h"
#include "router/price.h"
#include "router/provider.h"
#include "support/clock.h"
#include "support/task_group.h"

namespace hearth::router {

// How often conversations go on after so many lives of a cache. Begins with a guess: one in five
// after the first, and half as many after each further one.
class Pauses {
 public:
  static constexpr size_t kMostLives = 12;
  // That one which has paused for `n_lives` goes on before another has passed.
  double chance(size_t n_lives) const;
  // It went on after so many whole lives; kMostLives and more: it is taken not to have.
  void add(size_t n_lives);

 private:
  struct Count {
    double n = 0, n_went_on = 0;
  };
  std::array<Count, kMostLives> counts_{};
};

// Whether reading `n_tokens` once more now is worth it.
bool keeping_pays(double chance, double n_tokens, const Rates& rates);

class KeepAlive {
 public:
  // Asks for one token of this request's answer, of the target that it was answered by.
  using Send = std::function<Task<Answer>(const DecisionRecord& record, RouteRequest request)>;
  KeepAlive(Clock& clock, Send send) : clock_(clock), send_(std::move(send)) {}

  // A request has come: whatever is kept for its conversation is no longer.
  void asked(const RouteRequest& request);

  // Nothing where its provider's cache is not known to die, or the policy says never; else what
  // answered() wants to have.
  std::unique_ptr<RouteRequest> copy_of(const Policy& policy, const DecisionRecord& record,
                                        const RouteRequest& request) const;
  void answered(const Policy& policy, const DecisionRecord& record, RouteRequest request,
                const Usage& usage, net::any_io_executor executor);

  // Before this dies, once something was answered.
  Task<> join();

 private:
  struct Kept {
    DecisionRecord record;
    RouteRequest request;
    double n_tokens = 0;
    Price price;
    std::chrono::seconds life{};
  };
  Task<> keep(std::shared_ptr<const Kept> kept);

  Clock& clock_;
  Send send_;
  Pauses pauses_;
  struct Seen {
    Clock::Time last{};
    std::chrono::seconds life{};
  };
  std::map<std::string, Seen> seen_;  // by conversation
  std::unique_ptr<TaskGroup> tasks_;
};

}  // namespace hearth::router
