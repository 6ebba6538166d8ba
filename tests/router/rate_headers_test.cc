#include "router/providers/rate_headers.h"

#include <gtest/gtest.h>

namespace hearth::router {
namespace {

using std::chrono::milliseconds;

const auto kNow = std::chrono::system_clock::from_time_t(1'792'584'000);  // 2026-10-21T12:00:00Z

TEST(RateHeaders, DurationsAreReadInEveryUnit) {
  EXPECT_EQ(duration_of("6m0s"), milliseconds(360'000));
  EXPECT_EQ(duration_of("1h2m3.5s"), milliseconds(3'723'500));
  EXPECT_EQ(duration_of("12ms"), milliseconds(12));
  EXPECT_EQ(duration_of("7"), milliseconds(7'000));
  EXPECT_EQ(duration_of("0"), milliseconds(0));
  for (auto odd : {"", "s", "1x", "1s2", "-1s", "1e99s", "nan", "99999999999h", "1m 2s", "."})
    EXPECT_EQ(duration_of(odd), std::nullopt) << odd;
}

TEST(RateHeaders, DatesAreReadToTheSecond) {
  EXPECT_EQ(date_of("2026-10-21T12:00:30Z"), kNow + std::chrono::seconds(30));
  EXPECT_EQ(date_of("2026-10-21T12:00:30.123Z"), kNow + std::chrono::seconds(30));
  for (auto odd : {"", "2026-10-21", "2026-10-21T12:00:30", "soon"})
    EXPECT_EQ(date_of(odd), std::nullopt) << odd;
}

TEST(RateHeaders, EachProvidersNamesAreOneRoom) {
  OutboundResponse openai;
  openai.headers = {
      {"x-ratelimit-limit-requests", "60"},       {"x-ratelimit-remaining-requests", "59"},
      {"x-ratelimit-reset-requests", "1s"},       {"x-ratelimit-limit-tokens", "150000"},
      {"x-ratelimit-remaining-tokens", "149984"}, {"x-ratelimit-reset-tokens", "6ms"}};
  RateRoom room = rate_room_of(openai, kNow);
  EXPECT_EQ(room.requests.n_left, 59u);
  EXPECT_EQ(room.requests.full_in, milliseconds(1000));
  EXPECT_EQ(room.tokens.n_left, 149984u);
  EXPECT_EQ(room.tokens.n_limit, 150000u);

  OutboundResponse anthropic;
  anthropic.headers = {{"anthropic-ratelimit-requests-limit", "50"},
                       {"anthropic-ratelimit-requests-remaining", "0"},
                       {"anthropic-ratelimit-requests-reset", "2026-10-21T12:00:30Z"},
                       {"anthropic-ratelimit-tokens-remaining", "90000"},
                       {"anthropic-ratelimit-input-tokens-remaining", "40000"}};
  room = rate_room_of(anthropic, kNow);
  EXPECT_EQ(room.requests.n_left, 0u);
  EXPECT_EQ(room.requests.full_in, milliseconds(30'000));
  EXPECT_EQ(room.tokens.n_left, 40000u) << "the tightest counts";

  OutboundResponse odd;
  odd.headers = {{"x-ratelimit-remaining-requests", "-1"},
                 {"x-ratelimit-remaining-tokens", "many"}};
  room = rate_room_of(odd, kNow);
  EXPECT_FALSE(room.requests.is_stated());
  EXPECT_FALSE(room.tokens.is_stated());
}

}  // namespace
}  // namespace hearth::router
