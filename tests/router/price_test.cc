// Money: exact to the pico-dollar, never wrapping, never below what a request may cost.
#include "router/price.h"

#include <gtest/gtest.h>

#include <random>

namespace hearth::router {
namespace {

constexpr int64_t kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;

int64_t at(std::string_view moment) { return parse_moment(moment).value(); }

TEST(PicoUsd, IsWrittenAndReadExactly) {
  const std::pair<const char*, int64_t> pairs[] = {{"0", 0},
                                                   {"0.000000000001", 1},
                                                   {"0.0028", 2'800'000'000},
                                                   {"12", 12'000'000'000'000},
                                                   {"9223372.036854775807", INT64_MAX}};
  for (const auto& [text, pico] : pairs) {
    EXPECT_EQ(to_text(PicoUsd(pico)), text);
    auto read = parse_usd(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->pico(), pico);
  }
  EXPECT_EQ(to_text(PicoUsd(-1'500'000'000'000)), "-1.5");
  EXPECT_EQ(to_text(PicoUsd(INT64_MIN)), "-9223372.036854775808");
}

TEST(PicoUsd, EveryAmountReadsBackAsItself) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const PicoUsd amount(static_cast<int64_t>(random() >> (2 + random() % 60)));
    auto read = parse_usd(to_text(amount));
    ASSERT_TRUE(read) << to_text(amount);
    EXPECT_EQ(*read, amount);
  }
}

TEST(PicoUsd, OnlyPlainDecimalsAreRead) {
  for (const char* wrong : {"", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "0x1",
                            "1.0000000000001", "99999999", "9223373", "1.2.3", "nan"})
    EXPECT_FALSE(parse_usd(wrong)) << wrong;
}

TEST(PicoUsd, SaturatesAndNeverWraps) {
  const PicoUsd most = PicoUsd::largest(), least(INT64_MIN), one(1);
  EXPECT_EQ(most + one, most);
  EXPECT_EQ(least - one, least);
  EXPECT_EQ(PicoUsd(2) * UINT64_MAX, most);
  EXPECT_EQ(PicoUsd(-2) * UINT64_MAX, least);
  EXPECT_EQ(PicoUsd() * UINT64_MAX, PicoUsd());
  EXPECT_EQ(PicoUsd::from_usd(1e30), most);
  EXPECT_EQ(PicoUsd::from_usd(-1e30), least);
  EXPECT_EQ(PicoUsd::from_usd(std::nan("")), PicoUsd());
  EXPECT_EQ(PicoUsd::from_usd(0.1).pico(), 100'000'000'000);
}

TEST(PicoUsd, IsShownWithDigitsThatCount) {
  EXPECT_EQ(in_words(PicoUsd()), "$0.00");
  EXPECT_EQ(in_words(PicoUsd::from_usd(12.345)), "$12.35");
  EXPECT_EQ(in_words(PicoUsd::from_usd(0.0123)), "$0.012");
  EXPECT_EQ(in_words(PicoUsd::from_usd(0.000021)), "$0.000021");
  EXPECT_EQ(in_words(PicoUsd::from_usd(-0.5)), "-$0.50");
}

// A price in whole millionths and a usage whose classes are disjoint.
struct Dice {
  std::mt19937_64 random;
  uint64_t below(uint64_t n) { return random() % n; }
  double usd() { return static_cast<double>(below(200'000'000)) / 1e6; }
  std::optional<double> perhaps() { return below(2) ? std::optional(usd()) : std::nullopt; }

  Price price() {
    Price made{usd(), usd(), usd(), perhaps(), perhaps(), perhaps()};
    for (uint64_t n = below(4); n > 0; --n) {
      PriceRule& rule = made.rules.emplace_back();
      if (below(2)) rule.above = below(300'000);
      if (below(3) == 0) rule.from_ms = static_cast<int64_t>(below(4 * kDay));
      if (below(3) == 0) rule.until_ms = static_cast<int64_t>(below(4 * kDay));
      if (below(3) == 0)
        rule.hours = PriceRule::Hours{static_cast<int>(below(1440)), static_cast<int>(below(1440))};
      rule.input = perhaps();
      rule.cached = perhaps();
      rule.output = perhaps();
      rule.cache_write = perhaps();
      rule.cache_write_1h = perhaps();
      rule.reasoning = perhaps();
    }
    return made;
  }
  Usage usage(uint32_t max_prompt, uint32_t max_output) {
    Usage made;
    made.n_prompt = static_cast<uint32_t>(below(max_prompt + 1));
    made.n_cached = static_cast<uint32_t>(below(made.n_prompt + 1));
    made.n_cache_write = static_cast<uint32_t>(below(made.n_prompt - made.n_cached + 1));
    made.n_cache_write_1h =
        static_cast<uint32_t>(below(made.n_prompt - made.n_cached - made.n_cache_write + 1));
    made.n_completion = static_cast<uint32_t>(below(max_output + 1));
    made.n_reasoning = static_cast<uint32_t>(below(made.n_completion + 1));
    return made;
  }
};

TEST(Bill, EqualsTheScriptedProvidersToThePicoDollar) {
  Dice dice{std::mt19937_64(2)};
  for (int i = 0; i < 20000; ++i) {
    const Price price{dice.usd(), dice.usd(), dice.usd(), dice.usd(), dice.usd(), dice.usd()};
    const Usage usage = dice.usage(1 << 20, 1 << 17);
    auto micro = [](double usd) { return static_cast<__int128>(std::llround(usd * 1e6)); };
    const __int128 expected = micro(price.input) * usage.n_fresh() +
                              micro(price.cached) * usage.n_cached +
                              micro(*price.cache_write) * usage.n_cache_write +
                              micro(*price.cache_write_1h) * usage.n_cache_write_1h +
                              micro(price.output) * (usage.n_completion - usage.n_reasoning) +
                              micro(*price.reasoning) * usage.n_reasoning;
    EXPECT_EQ(__int128{bill(usage, price, 0).pico()}, expected);
  }
}

TEST(Bill, OfTheLargestUsageSaturates) {
  Usage usage;
  usage.n_prompt = usage.n_completion = UINT32_MAX;
  EXPECT_EQ(bill(usage, Price{1e6, 1e6, 1e6}, 0), PicoUsd::largest());
}

TEST(Rates, WhatIsNotStatedFollowsWhatIs) {
  const Rates plain = rates_at(Price{2, 0.2, 10}, 0, 0);
  EXPECT_EQ(plain.cache_write, plain.input);
  EXPECT_EQ(plain.cache_write_1h, plain.input);
  EXPECT_EQ(plain.reasoning, plain.output);
  const Rates written = rates_at(Price{2, 0.2, 10, 2.5}, 0, 0);
  EXPECT_EQ(written.cache_write_1h.pico(), 2'500'000);
}

TEST(Rates, LongPromptsCostMoreFromTheBorderOn) {
  Price price{5, 0.5, 30};
  PriceRule longer;
  longer.above = 272'000;
  longer.input = 10;
  longer.output = 45;
  price.rules = {longer};
  EXPECT_EQ(rates_at(price, 272'000, 0).input.pico(), 5'000'000);
  EXPECT_EQ(rates_at(price, 272'001, 0).input.pico(), 10'000'000);
  EXPECT_EQ(rates_at(price, 272'001, 0).cached.pico(), 500'000) << "not stated: as before";
  EXPECT_EQ(rates_at(price, 272'001, 0).reasoning.pico(), 45'000'000);
}

TEST(Rates, ChangeAtDatesAndHours) {
  Price price{1.5, 0.15, 7.5};
  PriceRule early, night;
  early.until_ms = at("2027-01-01");
  early.input = 0.75;
  night.hours = parse_hours("16:30-00:30");
  night.output = 1;
  price.rules = {early, night};
  EXPECT_EQ(rates_at(price, 1, at("2026-12-31T23:59")).input.pico(), 750'000);
  EXPECT_EQ(rates_at(price, 1, at("2027-01-01")).input.pico(), 1'500'000);
  for (const auto& [moment, pico] : {std::pair("2027-03-01T16:29", 7'500'000),
                                     {"2027-03-01T16:30", 1'000'000},
                                     {"2027-03-02T00:29", 1'000'000},
                                     {"2027-03-02T00:30", 7'500'000}})
    EXPECT_EQ(rates_at(price, 1, at(moment)).output.pico(), pico) << moment;
}

TEST(WorstBill, IsNeverBelowWhatTheRequestCosts) {
  Dice dice{std::mt19937_64(3)};
  for (int i = 0; i < 20000; ++i) {
    const Price price = dice.price();
    const uint32_t max_prompt = static_cast<uint32_t>(dice.below(400'000));
    const uint32_t max_output = static_cast<uint32_t>(dice.below(100'000));
    const auto sent = static_cast<int64_t>(dice.below(4 * kDay));
    const PicoUsd worst = worst_bill(max_prompt, max_output, true, price, sent);
    for (int n = 0; n < 4; ++n) {
      const Usage usage = dice.usage(max_prompt, max_output);
      const auto billed = sent + static_cast<int64_t>(dice.below(kHour));
      EXPECT_GE(worst, bill(usage, price, billed)) << i;
    }
  }
}

TEST(Usage, ThatDoesNotAddUpIsNamed) {
  Usage usage;
  usage.n_prompt = 10;
  usage.n_completion = 5;
  EXPECT_EQ(check_usage(usage, 100, 100), std::nullopt);
  EXPECT_TRUE(check_usage(usage, 9, 100));
  EXPECT_TRUE(check_usage(usage, 100, 4));
  usage.n_cached = 6;
  usage.n_cache_write = 5;
  EXPECT_TRUE(check_usage(usage, 100, 100));
  usage.n_cache_write = 0;
  usage.n_reasoning = 6;
  EXPECT_TRUE(check_usage(usage, 100, 100));
}

TEST(Price, IsAWholeNumberOfPicoDollarsForAToken) {
  EXPECT_EQ(check_price(Price{0.0028, 0.000001, 999999.999999}), std::nullopt);
  EXPECT_EQ(check_price(Price{0.0000001, 0, 0}), "input");
  Price price;
  price.rules.emplace_back().output = 0.12345678;
  EXPECT_EQ(check_price(price), "rules");
}

TEST(Moments, AreReadAndWritten) {
  for (const char* text : {"1970-01-01", "2026-12-31", "2028-02-29", "2027-01-31T16:30"})
    EXPECT_EQ(moment_text(at(text)), text);
  for (const char* wrong : {"", "2027-02-29", "2027-13-01", "2027-1-1", "2027-01-01 16:30",
                            "2027-01-01T24:01", "2027-01-01T16:60", "20a7-01-01"})
    EXPECT_FALSE(parse_moment(wrong)) << wrong;
  EXPECT_EQ(hours_text(parse_hours("16:30-00:30").value()), "16:30-00:30");
  for (const char* wrong : {"", "16:30", "16:30-16:30", "25:00-01:00", "1:00-02:00"})
    EXPECT_FALSE(parse_hours(wrong)) << wrong;
}

}  // namespace
}  // namespace hearth::router
