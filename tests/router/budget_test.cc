// Whose money counts where and when: scopes, borders of periods, clocks that jump.
#include "router/budget.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace hearth::router {
namespace {

constexpr int64_t kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;

Budget budget(std::string scope, std::optional<Per> per = std::nullopt) {
  Budget made;
  made.per = per.value_or(period_of(scope).value_or(Per::ever));
  made.scope = std::move(scope);
  made.usd = 1;
  return made;
}

// In a zone that changes its clocks, whatever the machine's is.
class SpendingTest : public ::testing::Test {
 protected:
  SpendingTest() {
    if (const char* zone = std::getenv("TZ")) before_ = zone;
    ::setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    ::tzset();
  }
  ~SpendingTest() override {
    before_ ? ::setenv("TZ", before_->c_str(), 1) : ::unsetenv("TZ");
    ::tzset();
  }

  static int64_t local(int year, int month, int day, int hour, int minute) {
    std::tm when{};
    when.tm_year = year - 1900;
    when.tm_mon = month - 1;
    when.tm_mday = day;
    when.tm_hour = hour;
    when.tm_min = minute;
    when.tm_isdst = -1;
    return int64_t{std::mktime(&when)} * 1000;
  }
  void spend(int64_t time_ms, int64_t pico) { spending.add(party, time_ms, {PicoUsd(pico), {}}); }
  int64_t spent(const Budget& of, int64_t now_ms) {
    auto sums = spending.sums(of, party, now_ms);
    return sums ? sums->spent.pico() : -1;
  }

  Party party{"s1", "shop", "ci", "sonnet", TaskClass::edit};
  Spending spending;

 private:
  std::optional<std::string> before_;
};

TEST_F(SpendingTest, EachScopeCountsItsOwn) {
  const int64_t now = local(2026, 11, 30, 12, 0);
  spend(now, 1);
  const Party others[] = {{"s2", "shop", "ci", "sonnet", TaskClass::edit},
                          {"s1", "blog", "ci", "sonnet", TaskClass::edit},
                          {"s1", "shop", "me", "sonnet", TaskClass::edit},
                          {"s1", "shop", "ci", "haiku", TaskClass::edit},
                          {"s1", "shop", "ci", "sonnet", TaskClass::chat}};
  int64_t amount = 10;
  for (const Party& other : others) {
    spending.add(other, now, {PicoUsd(amount), {}});
    amount *= 10;
  }
  EXPECT_EQ(spent(budget("day"), now), 111111);
  EXPECT_EQ(spent(budget("all"), now), 111111);
  EXPECT_EQ(spent(budget("session"), now), 111101);
  EXPECT_EQ(spent(budget("project:shop"), now), 111011);
  EXPECT_EQ(spent(budget("token:ci"), now), 110111);
  EXPECT_EQ(spent(budget("target:sonnet"), now), 101111);
  EXPECT_EQ(spent(budget("class:edit"), now), 11111);
  EXPECT_EQ(spent(budget("project:blog"), now), -1) << "not this party's";
}

TEST_F(SpendingTest, WithoutASessionItsBudgetDoesNotApply) {
  party.session.clear();
  EXPECT_EQ(spent(budget("session"), 0), -1);
}

TEST_F(SpendingTest, ADayBeginsAtLocalMidnight) {
  spend(local(2026, 11, 30, 23, 59), 1);
  EXPECT_EQ(spent(budget("day"), local(2026, 11, 30, 23, 59)), 1);
  EXPECT_EQ(spent(budget("day"), local(2026, 12, 1, 0, 0)), 0);
  EXPECT_EQ(spent(budget("week"), local(2026, 12, 1, 0, 0)), 1) << "Monday was the 30th";
  EXPECT_EQ(spent(budget("month"), local(2026, 12, 1, 0, 0)), 0);
}

TEST_F(SpendingTest, DaysOfTwentyThreeAndTwentyFiveHoursAreWhole) {
  for (auto [year, month, day] : {std::tuple(2026, 3, 29), {2026, 10, 25}}) {
    const int64_t begin = local(year, month, day, 0, 0), next = local(year, month, day + 1, 0, 0);
    EXPECT_NE(next - begin, kDay);
    spending = {};
    spend(begin, 1);
    spend(next - 1, 10);
    EXPECT_EQ(spent(budget("day"), next - 1), 11);
    EXPECT_EQ(spent(budget("day"), next), 0);
  }
}

TEST_F(SpendingTest, AWeekBeginsOnMonday) {
  for (int day = 23; day <= 29; ++day)
    EXPECT_EQ(period_start(Per::week, local(2026, 11, day, 12, 0)), local(2026, 11, 23, 0, 0))
        << day;
  EXPECT_EQ(period_start(Per::week, local(2026, 11, 30, 0, 0)), local(2026, 11, 30, 0, 0));
}

TEST_F(SpendingTest, AnHourIsTheLastOneToTheQuarter) {
  const int64_t now = local(2026, 11, 30, 12, 7);
  spend(now - 70 * kMinute, 1);
  spend(now - 45 * kMinute, 10);
  spend(now, 100);
  EXPECT_EQ(spent(budget("hour"), now), 110);
}

TEST_F(SpendingTest, AClockThatJumpsBackADayDoesNotOpenABudget) {
  const int64_t now = local(2026, 11, 30, 12, 0);
  spend(now, 5);
  EXPECT_EQ(spent(budget("day"), now - kDay), 5);
  EXPECT_EQ(spent(budget("month"), now - kDay), 5);
}

TEST_F(SpendingTest, AClockThatOnceWasYearsAheadDoesNotCloseOne) {
  spend(local(2099, 1, 1, 0, 0), 5);
  EXPECT_EQ(spent(budget("day"), local(2026, 11, 30, 12, 0)), 0);
}

TEST_F(SpendingTest, NoTimeIsNegative) {
  spend(0, 3);
  EXPECT_EQ(spent(budget("all"), 0), 3);
  EXPECT_EQ(spent(budget("hour"), 0), 3);
}

TEST_F(SpendingTest, ForgettingDetailsKeepsSums) {
  const int64_t now = local(2026, 11, 30, 12, 0);
  for (int day = 0; day < 200; ++day) spend(now - day * kDay, 1);
  spending.forget_details(now);
  EXPECT_EQ(spent(budget("all"), now), 200);
  EXPECT_EQ(spent(budget("month"), now), 30);
  EXPECT_EQ(spent(budget("session", Per::week), now), 1);
}

TEST(Scopes, HaveTheirPeriods) {
  EXPECT_EQ(period_of("day"), Per::day);
  EXPECT_EQ(period_of("hour"), Per::hour);
  EXPECT_EQ(period_of("session"), Per::ever);
  EXPECT_EQ(period_of("project:web-shop"), Per::month);
  EXPECT_EQ(period_of("class:edit"), Per::month);
  for (const char* none : {"", "ever", "days", "project:", "class:poem", "person:me"})
    EXPECT_EQ(period_of(none), std::nullopt) << none;
}

}  // namespace
}  // namespace hearth::router
