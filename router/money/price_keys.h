// The keys of a price in TOML, once for reading (settings/section.h) and printing.
#pragma once

#include "router/price.h"

namespace hearth::router {

inline constexpr double kMaxUsd = 1e6;

template <class Key>
void amount_keys(auto& price, Key& key) {
  key("input", price.input, 0.0, kMaxUsd);
  key("cached", price.cached, 0.0, kMaxUsd);
  key("output", price.output, 0.0, kMaxUsd);
  key("cache_write", price.cache_write, 0.0, kMaxUsd);
  key("cache_write_1h", price.cache_write_1h, 0.0, kMaxUsd);
  key("reasoning", price.reasoning, 0.0, kMaxUsd);
}

template <class Key>
void rule_keys(auto& rule, Key& key) {
  constexpr std::string_view kMoment = "a time in UTC: \"2027-01-31\" or \"2027-01-31T16:30\"";
  key("above", rule.above, 1, 1 << 30);
  key.text("from", rule.from_ms, moment_text, parse_moment, kMoment);
  key.text("until", rule.until_ms, moment_text, parse_moment, kMoment);
  key.text("hours", rule.hours, hours_text, parse_hours, "hours in UTC: \"16:30-00:30\"");
  amount_keys(rule, key);
}

template <class Key>
void price_keys(auto& price, Key& key) {
  amount_keys(price, key);
  key.list("rules", price.rules, [](auto& rule, auto& inner) { rule_keys(rule, inner); });
}

}  // namespace hearth::router
