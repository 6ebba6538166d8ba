#include "cli/token_terms.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <iterator>

namespace hearth::cli {

namespace {

template <class Number>
bool read_number(std::string_view text, Number& out) {
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
  return failure == std::errc{} && end == text.data() + text.size();
}

bool read_date(std::string_view text, std::tm& out) {
  int year = 0, month = 0, day = 0;
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' ||
      !read_number(text.substr(0, 4), year) || !read_number(text.substr(5, 2), month) ||
      !read_number(text.substr(8, 2), day))
    return false;
  out.tm_year = year - 1900;
  out.tm_mon = month - 1;
  out.tm_mday = day;
  out.tm_hour = 23;
  out.tm_min = out.tm_sec = 59;
  out.tm_isdst = -1;
  const std::tm asked = out;
  return std::mktime(&out) != -1 && out.tm_mday == asked.tm_mday && out.tm_mon == asked.tm_mon;
}

}  // namespace

Result<TokenBudget> parse_budget(std::string_view text) {
  constexpr std::string_view kPeriods[] = {"hour", "day", "week", "month", "ever"};
  constexpr double kMostUsd = 1e6;
  std::string_view rest = text;
  if (rest.starts_with('$')) rest.remove_prefix(1);
  TokenBudget budget{0, "month"};
  if (size_t slash = rest.find('/'); slash != rest.npos) {
    budget.per = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
  }
  const bool is_period = std::ranges::find(kPeriods, budget.per) != std::end(kPeriods);
  if (is_period && read_number(rest, budget.usd) && std::isfinite(budget.usd) && budget.usd >= 0 &&
      budget.usd <= kMostUsd)
    return budget;
  return Error{Errc::invalid,
               fmt::format("budget \"{}\": expected US dollars with or without a period ({}), for "
                           "example 20 or 5/day",
                           text, fmt::join(kPeriods, ", "))};
}

Result<int64_t> parse_end(std::string_view text, int64_t now_ms) {
  constexpr int64_t kMinuteMs = 60'000, kMostYearsMs = 100ll * 366 * 86'400'000;
  if (std::tm date{}; read_date(text, date)) return int64_t{std::mktime(&date)} * 1000 + 999;
  int64_t n = 0, unit_ms = 0;
  if (!text.empty() && read_number(text.substr(0, text.size() - 1), n)) {
    switch (text.back()) {
      case 'm': unit_ms = kMinuteMs; break;
      case 'h': unit_ms = 60 * kMinuteMs; break;
      case 'd': unit_ms = 1440 * kMinuteMs; break;
      case 'w': unit_ms = 7 * 1440 * kMinuteMs; break;
      default: break;
    }
  }
  if (n > 0 && unit_ms > 0 && n <= kMostYearsMs / unit_ms) return now_ms + n * unit_ms;
  return Error{Errc::invalid, fmt::format("expiry \"{}\": expected a time from now (12h, 30d, 8w) "
                                          "or a date (2027-01-31)",
                                          text)};
}

}  // namespace hearth::cli
