#include "router/price.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>

namespace hearth::router {

namespace {

constexpr int64_t kMsPerMinute = 60'000, kMinutesPerDay = 24 * 60, kMsPerHour = 60 * kMsPerMinute;
constexpr double kPicoPerUsdPerMillion = 1e6;

// As std::llround() has it, which is a call; a decision asks for six rates of each target.
PicoUsd rate(double usd_per_million) {
  const double exact = usd_per_million * kPicoPerUsdPerMillion;
  constexpr double kWithFractions = 1e15;
  if (!(std::abs(exact) < kWithFractions)) return PicoUsd(std::llround(exact));
  const auto whole = static_cast<int64_t>(exact);
  const double rest = exact - static_cast<double>(whole);
  return PicoUsd(whole + (rest >= 0.5) - (rest <= -0.5));
}

// In the order of Rates: where an amount stands in a rule.
constexpr std::pair<PicoUsd Rates::*, std::optional<double> PriceRule::*> kAmounts[] = {
    {&Rates::input, &PriceRule::input},
    {&Rates::cached, &PriceRule::cached},
    {&Rates::cache_write, &PriceRule::cache_write},
    {&Rates::cache_write_1h, &PriceRule::cache_write_1h},
    {&Rates::output, &PriceRule::output},
    {&Rates::reasoning, &PriceRule::reasoning},
};

Rates base_rates(const Price& price) {
  const double write = price.cache_write.value_or(price.input);
  return {rate(price.input),  rate(price.cached),
          rate(write),        rate(price.cache_write_1h.value_or(write)),
          rate(price.output), rate(price.reasoning.value_or(price.output))};
}

bool is_within(const PriceRule::Hours& hours, int64_t time_ms) {
  const int64_t of_day =
      ((time_ms / kMsPerMinute) % kMinutesPerDay + kMinutesPerDay) % kMinutesPerDay;
  if (hours.from_minute < hours.until_minute)
    return of_day >= hours.from_minute && of_day < hours.until_minute;
  return of_day >= hours.from_minute || of_day < hours.until_minute;
}

bool holds(const PriceRule& rule, uint64_t n_prompt, int64_t time_ms) {
  return (!rule.above || n_prompt > *rule.above) && (!rule.from_ms || time_ms >= *rule.from_ms) &&
         (!rule.until_ms || time_ms < *rule.until_ms) &&
         (!rule.hours || is_within(*rule.hours, time_ms));
}

// An amount that a rule leaves open follows the one that it would follow in a price.
void apply(const PriceRule& rule, const Price& price, Rates& rates) {
  for (const auto& [of_rates, of_rule] : kAmounts)
    if (rule.*of_rule) rates.*of_rates = rate(*(rule.*of_rule));
  if (rule.input && !rule.cache_write && !price.cache_write) rates.cache_write = rates.input;
  if ((rule.input || rule.cache_write) && !rule.cache_write_1h && !price.cache_write_1h)
    rates.cache_write_1h = rates.cache_write;
  if (rule.output && !rule.reasoning && !price.reasoning) rates.reasoning = rates.output;
}

std::optional<int> digits(std::string_view text, size_t n_digits, int most) {
  int value = 0;
  if (text.size() != n_digits) return std::nullopt;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || value < 0 || value > most)
    return std::nullopt;
  return value;
}

std::optional<int> minute_of_day(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  auto hour = digits(text.substr(0, 2), 2, 24), minute = digits(text.substr(3), 2, 59);
  if (!hour || !minute || *hour * 60 + *minute > kMinutesPerDay) return std::nullopt;
  return *hour * 60 + *minute;
}

}  // namespace

Rates rates_at(const Price& price, uint64_t n_prompt, int64_t time_ms) {
  Rates rates = base_rates(price);
  for (const PriceRule& rule : price.rules)
    if (holds(rule, n_prompt, time_ms)) apply(rule, price, rates);
  return rates;
}

Rates worst_rates(const Price& price, uint64_t max_prompt, int64_t time_ms) {
  if (price.rules.empty()) return base_rates(price);
  // Rates change at a rule's borders only: those that lie in reach are tried one by one.
  std::vector<uint64_t> lengths{0, max_prompt};
  std::vector<int64_t> times{time_ms, time_ms + kMsPerHour};
  for (const PriceRule& rule : price.rules) {
    if (rule.above && *rule.above < max_prompt) lengths.push_back(*rule.above + 1);
    for (const auto& border : {rule.from_ms, rule.until_ms})
      if (border && *border > time_ms && *border < time_ms + kMsPerHour) times.push_back(*border);
    if (rule.hours)
      for (int minute : {rule.hours->from_minute, rule.hours->until_minute}) {
        const int64_t day = time_ms / (kMinutesPerDay * kMsPerMinute);
        for (int64_t start : {day, day + 1}) {
          const int64_t border = (start * kMinutesPerDay + minute) * kMsPerMinute;
          if (border > time_ms && border < time_ms + kMsPerHour) times.push_back(border);
        }
      }
  }
  Rates worst;
  for (uint64_t length : lengths)
    for (int64_t time : times) {
      const Rates rates = rates_at(price, length, time);
      for (const auto& [amount, of_rule] : kAmounts)
        worst.*amount = std::max(worst.*amount, rates.*amount);
    }
  return worst;
}

PicoUsd bill(const Usage& usage, const Rates& rates) {
  return rates.input * usage.n_fresh() + rates.cached * usage.n_cached +
         rates.cache_write * usage.n_cache_write + rates.cache_write_1h * usage.n_cache_write_1h +
         rates.output * (usage.n_completion - usage.n_reasoning) +
         rates.reasoning * usage.n_reasoning;
}

PicoUsd bill(const Usage& usage, const Price& price, int64_t time_ms) {
  return bill(usage, rates_at(price, usage.n_prompt, time_ms));
}

PicoUsd worst_bill(uint64_t max_prompt, uint64_t max_output, bool hour_cache, const Price& price,
                   int64_t time_ms) {
  const Rates worst = worst_rates(price, max_prompt, time_ms);
  PicoUsd prompt = std::max({worst.input, worst.cached, worst.cache_write});
  if (hour_cache) prompt = std::max(prompt, worst.cache_write_1h);
  return prompt * max_prompt + std::max(worst.output, worst.reasoning) * max_output;
}

std::optional<std::string> check_usage(const Usage& usage, uint64_t max_prompt,
                                       uint64_t max_output) {
  const uint64_t n_parts = uint64_t{usage.n_cached} + usage.n_cache_write + usage.n_cache_write_1h;
  if (n_parts > usage.n_prompt)
    return fmt::format("{} tokens in and out of caches in a prompt of {}", n_parts, usage.n_prompt);
  if (usage.n_reasoning > usage.n_completion)
    return fmt::format("{} reasoning tokens in an answer of {}", usage.n_reasoning,
                       usage.n_completion);
  if (usage.n_prompt > max_prompt)
    return fmt::format("{} prompt tokens where at most {} were sent", usage.n_prompt, max_prompt);
  if (usage.n_completion > max_output)
    return fmt::format("{} output tokens where at most {} were possible", usage.n_completion,
                       max_output);
  return std::nullopt;
}

std::optional<std::string> check_price(const Price& price) {
  auto is_exact = [](std::optional<double> amount) {
    if (!amount) return true;
    const double pico = *amount * kPicoPerUsdPerMillion;
    // A decimal with six places is nearer to its double than this, up to a million dollars.
    return std::isfinite(pico) && pico >= 0 && std::abs(pico - std::nearbyint(pico)) <= 1e-3;
  };
  const std::pair<std::string_view, std::optional<double>> amounts[] = {
      {"input", price.input},
      {"cached", price.cached},
      {"output", price.output},
      {"cache_write", price.cache_write},
      {"cache_write_1h", price.cache_write_1h},
      {"reasoning", price.reasoning}};
  for (const auto& [name, amount] : amounts)
    if (!is_exact(amount)) return std::string(name);
  for (const PriceRule& rule : price.rules)
    for (const auto& [of_rates, of_rule] : kAmounts)
      if (!is_exact(rule.*of_rule)) return "rules";
  return std::nullopt;
}

std::optional<int64_t> parse_moment(std::string_view text) {
  namespace chrono = std::chrono;
  if (text.size() != 10 && text.size() != 16) return std::nullopt;
  if (text[4] != '-' || text[7] != '-') return std::nullopt;
  auto year = digits(text.substr(0, 4), 4, 9999), month = digits(text.substr(5, 2), 2, 12),
       day = digits(text.substr(8, 2), 2, 31);
  if (!year || !month || !day) return std::nullopt;
  const chrono::year_month_day date{chrono::year(*year), chrono::month(unsigned(*month)),
                                    chrono::day(unsigned(*day))};
  if (!date.ok()) return std::nullopt;
  int64_t minute = 0;
  if (text.size() == 16) {
    auto of_day = text[10] == 'T' ? minute_of_day(text.substr(11)) : std::nullopt;
    if (!of_day) return std::nullopt;
    minute = *of_day;
  }
  return chrono::sys_days(date).time_since_epoch().count() * kMinutesPerDay * kMsPerMinute +
         minute * kMsPerMinute;
}

std::string moment_text(int64_t time_ms) {
  namespace chrono = std::chrono;
  const int64_t minutes = time_ms / kMsPerMinute;
  const int64_t day = minutes / kMinutesPerDay, of_day = minutes % kMinutesPerDay;
  const chrono::year_month_day date{chrono::sys_days(chrono::days(day))};
  std::string text = fmt::format("{:04}-{:02}-{:02}", int(date.year()), unsigned(date.month()),
                                 unsigned(date.day()));
  if (of_day) text += fmt::format("T{:02}:{:02}", of_day / 60, of_day % 60);
  return text;
}

std::optional<PriceRule::Hours> parse_hours(std::string_view text) {
  if (text.size() != 11 || text[5] != '-') return std::nullopt;
  auto from = minute_of_day(text.substr(0, 5)), until = minute_of_day(text.substr(6));
  if (!from || !until || *from == *until) return std::nullopt;
  return PriceRule::Hours{*from, *until};
}

std::string hours_text(const PriceRule::Hours& hours) {
  return fmt::format("{:02}:{:02}-{:02}:{:02}", hours.from_minute / 60, hours.from_minute % 60,
                     hours.until_minute / 60, hours.until_minute % 60);
}

}  // namespace hearth::router
