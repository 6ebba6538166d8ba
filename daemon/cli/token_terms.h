// What people write for a token's budget and end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "support/result.h"

namespace hearth::cli {

struct TokenBudget {
  double usd = 0;
  std::string per;  // "day", "month", ...
};

// "20", "$5/day", "0.5/hour"; without a period a month's.
Result<TokenBudget> parse_budget(std::string_view text);

// "90m", "12h", "30d", "8w" from now on, or "2027-01-31": the end of that day here. Unix ms.
Result<int64_t> parse_end(std::string_view text, int64_t now_ms);

}  // namespace hearth::cli
