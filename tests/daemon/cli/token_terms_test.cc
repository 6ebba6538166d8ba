#include "cli/token_terms.h"

#include <gtest/gtest.h>

namespace hearth::cli {
namespace {

constexpr int64_t kNow = 1'800'000'000'000, kHour = 3'600'000;

TEST(TokenTerms, ABudgetIsDollarsAndAPeriod) {
  auto check = [](std::string_view text, double usd, std::string_view per) {
    const auto budget = parse_budget(text);
    ASSERT_TRUE(budget) << text;
    EXPECT_EQ(budget->usd, usd) << text;
    EXPECT_EQ(budget->per, per) << text;
  };
  check("20", 20, "month");
  check("$5/day", 5, "day");
  check("0.5/hour", 0.5, "hour");
  check("0", 0, "month");
  check("100/ever", 100, "ever");
  for (std::string_view wrong :
       {"", "$", "-1", "5/", "5/year", "5 /day", "five", "nan", "inf", "1e99", "5/day/day", "$$5"})
    EXPECT_FALSE(parse_budget(wrong)) << wrong;
}

TEST(TokenTerms, AnEndIsATimeFromNowOrADate) {
  EXPECT_EQ(*parse_end("12h", kNow), kNow + 12 * kHour);
  EXPECT_EQ(*parse_end("90m", kNow), kNow + 90 * kHour / 60);
  EXPECT_EQ(*parse_end("30d", kNow), kNow + 30 * 24 * kHour);
  EXPECT_EQ(*parse_end("2w", kNow), kNow + 14 * 24 * kHour);
  const auto first = parse_end("2027-02-28", kNow), next = parse_end("2027-03-01", kNow);
  ASSERT_TRUE(first && next);
  EXPECT_EQ(*next - *first, 24 * kHour);
  for (std::string_view wrong : {"", "d", "0d", "-3d", "3", "3y", "99999999999999999d",
                                 "2027-02-29", "2027-13-01", "2027-1-1", "01/02/2027", "tomorrow"})
    EXPECT_FALSE(parse_end(wrong, kNow)) << wrong;
}

}  // namespace
}  // namespace hearth::cli
