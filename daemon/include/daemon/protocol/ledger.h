// ledger/*: what was spent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/record.h"

namespace hearth::protocol {

// Of ledger/settle: what an attempt of unknown cost cost after all.
struct LedgerSettle {
  int64_t id = 0;
  std::string usd;  // decimal dollars
  static void fields(auto& self, auto&& field) {
    field("id", self.id);
    field("usd", self.usd);
  }
};

// One [budget.SCOPE] now. Amounts are decimal dollars.
struct BudgetState {
  std::string scope;
  std::string period;  // hour, day, week, month, ever
  bool is_hard = true;
  std::string limit_usd, spent_usd, held_usd;
  static void fields(auto& self, auto&& field) {
    field("scope", self.scope);
    field("period", self.period);
    field("hard", self.is_hard);
    field("limitUsd", self.limit_usd);
    field("spentUsd", self.spent_usd);
    field("heldUsd", self.held_usd);
  }
};

struct Spending {
  std::string today_usd, month_usd, held_usd;
  uint64_t n_unknown = 0;            // attempts of unknown cost, counted at their most
  std::vector<BudgetState> budgets;  // but those of single sessions
  static void fields(auto& self, auto&& field) {
    field("todayUsd", self.today_usd);
    field("monthUsd", self.month_usd);
    field("heldUsd", self.held_usd);
    field("unknown", self.n_unknown);
    field("budgets", self.budgets);
  }
};

}  // namespace hearth::protocol
