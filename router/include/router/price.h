// What a provider takes for tokens, and bills made from it.
//
// A Price is what a person states: dollars per million tokens, with rules for long prompts, dates
// and times of day. Rates are what holds for one request at one moment, in integers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inference/completion.h"
#include "router/money.h"

namespace hearth::router {

// When a price differs. Of several that hold the last one wins, amount by amount.
struct PriceRule {
  // All that are stated must hold.
  std::optional<uint64_t> above;    // tokens: the prompt is longer
  std::optional<int64_t> from_ms;   // Unix
  std::optional<int64_t> until_ms;  // Unix; no longer then
  // Minutes of the UTC day, [from, until); until <= from runs over midnight.
  struct Hours {
    int from_minute = 0, until_minute = 0;
    bool operator==(const Hours&) const = default;
  };
  std::optional<Hours> hours;

  // USD per million tokens; absent: as without the rule.
  std::optional<double> input, cached, output;
  std::optional<double> cache_write, cache_write_1h, reasoning;
  bool operator==(const PriceRule&) const = default;
};

// USD per million tokens.
struct Price {
  double input = 0;
  double cached = 0;
  double output = 0;
  std::optional<double> cache_write{};     // for some minutes; absent: as input
  std::optional<double> cache_write_1h{};  // absent: as cache_write
  std::optional<double> reasoning{};       // absent: as output
  std::vector<PriceRule> rules{};
  bool operator==(const Price&) const = default;
};

// For one token of each disjoint class of Usage.
struct Rates {
  PicoUsd input, cached, cache_write, cache_write_1h, output, reasoning;
  bool operator==(const Rates&) const = default;
  bool is_free() const { return *this == Rates{}; }
};

// What holds for a prompt of that length at that time.
Rates rates_at(const Price& price, uint64_t n_prompt, int64_t time_ms);

// The highest of each that may hold for a prompt of at most that length which is sent now and
// answered within an hour.
Rates worst_rates(const Price& price, uint64_t max_prompt, int64_t time_ms);

// The usage's classes must be disjoint (check_usage).
PicoUsd bill(const Usage& usage, const Rates& rates);
PicoUsd bill(const Usage& usage, const Price& price, int64_t time_ms);

// What a request can cost at most: no more tokens than these, each at the dearest class that it may
// fall into. `hour_cache`: it asks for a cache that lives an hour.
PicoUsd worst_bill(uint64_t max_prompt, uint64_t max_output, bool hour_cache, const Price& price,
                   int64_t time_ms);

// What is wrong with a provider's count, or nothing: classes that do not add up, or more tokens
// than such a request can have.
std::optional<std::string> check_usage(const Usage& usage, uint64_t max_prompt,
                                       uint64_t max_output);

// A stated price is a whole number of pico-dollars for one token: not negative, at most six
// decimals. Names the amount that is not.
std::optional<std::string> check_price(const Price& price);

// "2027-01-01" or "2027-01-01T16:30" as Unix ms, UTC; and back.
std::optional<int64_t> parse_moment(std::string_view text);
std::string moment_text(int64_t time_ms);
// "16:30-00:30".
std::optional<PriceRule::Hours> parse_hours(std::string_view text);
std::string hours_text(const PriceRule::Hours& hours);

}  // namespace hearth::router
