// Budgets: what may be spent, by whom, in which time. Pure.
//
// [budget.SCOPE] of the policy: SCOPE is "hour", "day", "week", "month" or "all" (every request),
// "session" (each session alone), or "project:NAME", "class:NAME", "token:NAME", "target:NAME".
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/decision.h"
#include "router/money.h"

namespace hearth::router {

// Days, weeks (from Monday) and months are the calendar's, in local time; an hour is the last one,
// to the quarter: a breaker on the rate of spending.
enum class Per : uint8_t { hour, day, week, month, ever };

struct Budget {
  std::string scope;
  double usd = 0;
  Per per = Per::ever;
  bool is_hard = true;  // else it is only told when it is passed
  PicoUsd limit() const { return PicoUsd::from_usd(usd); }
};

// The period that a scope names, or the one that is meant when nobody says: a session's is ever,
// that of a project, class, token or target a month. Nothing for a scope that does not exist.
std::optional<Per> period_of(std::string_view scope);

// On whose account an attempt goes.
struct Party {
  std::string session, project, token, target;
  TaskClass task = TaskClass::chat;
};

// Somebody whom the budget is about; for a session's, nobody.
Party party_of(const Budget& budget);

// When the period began that holds this moment (Unix ms).
int64_t period_start(Per per, int64_t now_ms);
// "today", "this month": for sentences.
std::string_view period_words(Per per);

// What was spent and what is held, by party and quarter of an hour. Lives on one thread.
//
// A question costs a look-up: sums of a period are kept until the quarter is over, since a period
// begins and ends with one.
class Spending {
 public:
  struct Sums {
    PicoUsd spent, held;
  };

  void add(const Party& party, int64_t time_ms, Sums change);

  // Of the period that holds `now`. What lies in the future counts up to a day and a half from
  // now: a clock that was set back must not open the budget again. Nothing when the budget is not
  // this party's.
  std::optional<Sums> sums(const Budget& budget, const Party& party, int64_t now_ms) const;

  // Folds what is older than two months into one sum for each key.
  void forget_details(int64_t now_ms);

 private:
  struct Kept {
    int64_t first = 1, last = 0;  // quarters; none
    Sums sums;
  };
  struct Account {
    std::map<int64_t, Sums> quarters;
    std::array<Kept, 5> kept;  // by Per
  };
  int64_t first_quarter(Per per, int64_t now_ms) const;

  mutable std::map<std::string, Account, std::less<>> keys_;
  mutable int64_t quarter_of_starts_ = -1;
  mutable std::array<int64_t, 5> starts_{};  // of periods, in that quarter
};

}  // namespace hearth::router

namespace hearth {
template <>
struct EnumNames<router::Per> {
  using P = router::Per;
  static constexpr std::pair<P, std::string_view> names[] = {{P::hour, "hour"},
                                                             {P::day, "day"},
                                                             {P::week, "week"},
                                                             {P::month, "month"},
                                                             {P::ever, "ever"}};
};
}  // namespace hearth
