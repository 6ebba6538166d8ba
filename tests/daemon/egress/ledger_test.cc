// The egress ledger: what is written can be read and checked, what was changed is found.
#include "egress/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "egress/reader.h"
#include "support/file.h"
#include "support/temporary_folder.h"

namespace hearth::egress {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kDay = 86'400'000;
constexpr int64_t kMonday = 1'764'547'200'000;  // 2025-12-01 00:00 UTC

class LedgerTest : public ::testing::Test {
 protected:
  Ledger open() {
    auto opened = Ledger::open(path);
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  static Record record(int64_t time_ms, const std::string& host = "api.example.com:443") {
    Record made;
    made.time_ms = time_ms;
    made.hosts = {host};
    made.method = "POST";
    made.status = 200;
    made.n_sent = 1000;
    made.n_received = 50;
    made.cause = "req-1";
    made.decision = "dec-1";
    made.target = "ds";
    made.labels = {"work"};
    made.blocks = {"00112233445566778899aabbccddeeff"};
    made.sources = {"src/a \"quoted\".cc"};
    return made;
  }
  void fill(int n_days) {
    Ledger ledger = open();
    for (int day = 0; day < n_days; ++day)
      for (int i = 0; i < 3; ++i) ASSERT_TRUE(ledger.append(record(kMonday + day * kDay + i)));
  }
  Check check() const {
    auto checked = verify(path);
    EXPECT_TRUE(checked) << checked.error().message;
    return *checked;
  }
  std::string day(int n) const { return segment_path(path, day_of(kMonday + n * kDay)); }
  // Replaces the first `from` of a file.
  static void tamper(const std::string& file, const std::string& from, const std::string& to) {
    std::string text = *hearth::file::read(file);
    ASSERT_NE(text.find(from), text.npos);
    text.replace(text.find(from), from.size(), to);
    std::ofstream(file) << text;
  }

  test::TemporaryFolder folder;
  std::string path = folder / "egress";
};

TEST_F(LedgerTest, WhatIsAppendedIsReadAndWhole) {
  fill(2);
  auto records = read_records(path, {});
  ASSERT_TRUE(records);
  ASSERT_THAT(*records, SizeIs(6));
  const Record& last = records->back();
  EXPECT_EQ(last.seq, 6u);
  EXPECT_EQ(last.time_ms, kMonday + kDay + 2);
  EXPECT_THAT(last.hosts, ElementsAre("api.example.com:443"));
  EXPECT_EQ(last.n_sent, 1000u);
  EXPECT_EQ(last.n_received, 50u);
  EXPECT_THAT(last.labels, ElementsAre("work"));
  EXPECT_THAT(last.sources, ElementsAre("src/a \"quoted\".cc"));
  const Check checked = check();
  EXPECT_TRUE(checked.is_whole) << checked.fault;
  EXPECT_EQ(checked.n_records, 6u);
  EXPECT_EQ(checked.n_segments, 2u);
  EXPECT_THAT(checked.chain, SizeIs(64));
  struct stat info{};
  ASSERT_EQ(::stat(day(0).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(LedgerTest, FiltersByTimeAndHost) {
  fill(3);
  Ledger ledger = open();
  ASSERT_TRUE(ledger.append(record(kMonday + 3 * kDay, "other.example.org:443")));
  EXPECT_THAT(*read_records(path, {kMonday + kDay + 1, ""}), SizeIs(6));
  EXPECT_THAT(*read_records(path, {std::nullopt, "other"}), SizeIs(1));
}

TEST_F(LedgerTest, OldDaysMayGoAndTheRestStaysWhole) {
  fill(4);
  EXPECT_EQ(open().prune(0, kMonday + 9 * kDay), 0u);
  EXPECT_EQ(open().prune(2, kMonday + 3 * kDay), 1u);
  const Check checked = check();
  EXPECT_TRUE(checked.is_whole) << checked.fault;
  EXPECT_EQ(checked.n_records, 9u);
  EXPECT_EQ(checked.begins_after, "2025-12-01");
  EXPECT_EQ(open().prune(1, kMonday + 90 * kDay), 2u) << "the last day stays";
  ASSERT_TRUE(open().append(record(kMonday + 90 * kDay)));
  EXPECT_TRUE(check().is_whole);
}

TEST_F(LedgerTest, EveryChangeIsFound) {
  fill(3);
  auto broken = [&](auto change, const char* fault) {
    const std::string backup = folder / "backup";
    std::filesystem::copy(path, backup, std::filesystem::copy_options::recursive);
    change();
    const Check checked = check();
    EXPECT_FALSE(checked.is_whole);
    EXPECT_THAT(checked.fault, HasSubstr(fault));
    std::filesystem::remove_all(path);
    std::filesystem::rename(backup, path);
  };
  broken([&] { tamper(day(1), "api.example", "api.exampel"); }, "2025-12-02.jsonl:2: the chain");
  broken([&] { tamper(day(1), "\"sent\":1000", "\"sent\":10"); }, "the chain");
  broken(
      [&] {
        std::string text = *hearth::file::read(day(0));
        const size_t second = text.find('\n') + 1;
        text.erase(second, text.find('\n', second) + 1 - second);
        std::ofstream(day(0)) << text;
      },
      "2025-12-01.jsonl:2");
  broken([&] { std::filesystem::remove(day(1)); }, "2025-12-02 stood between");
  broken([&] { std::filesystem::remove(day(2)); }, "record 9 was written");
  broken(
      [&] {
        std::string text = *hearth::file::read(day(2));
        text.resize(text.rfind('\n', text.size() - 2) + 1);
        std::ofstream(day(2)) << text;
      },
      "ends with record 8, record 9 was written");
  EXPECT_TRUE(check().is_whole);
}

TEST_F(LedgerTest, ACrashInTheMiddleOfALineCostsThatLine) {
  fill(1);
  std::ofstream(day(0), std::ios::app) << "{\"seq\":4,\"timeMs\":17";
  ASSERT_TRUE(open().append(record(kMonday + 9)));
  const Check checked = check();
  EXPECT_TRUE(checked.is_whole) << checked.fault;
  EXPECT_EQ(checked.n_records, 4u);
}

TEST_F(LedgerTest, ALostHeadIsFoundAgainFromTheLines) {
  fill(2);
  std::filesystem::remove(path + "/head");
  ASSERT_TRUE(open().append(record(kMonday + kDay + 9)));
  EXPECT_TRUE(check().is_whole) << check().fault;
  EXPECT_EQ(read_records(path, {})->back().seq, 7u);
}

TEST_F(LedgerTest, AClockThatWasSetBackKeepsTheOrder) {
  fill(2);
  ASSERT_TRUE(open().append(record(kMonday)));
  EXPECT_TRUE(check().is_whole) << check().fault;
}

TEST_F(LedgerTest, TwoProcessesAppendToOneChain) {
  Ledger ledger = open();
  ASSERT_TRUE(ledger.append(record(kMonday)));
  const pid_t child = ::fork();
  if (child == 0) {
    auto other = Ledger::open(path);
    for (int i = 0; other && i < 50; ++i) (void)other->append(record(kMonday + i));
    ::_exit(0);
  }
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(ledger.append(record(kMonday + i)));
  int status = 0;
  ::waitpid(child, &status, 0);
  const Check checked = check();
  EXPECT_TRUE(checked.is_whole) << checked.fault;
  EXPECT_EQ(checked.n_records, 101u);
}

TEST_F(LedgerTest, ASegmentThatIsRemovedBetweenTwoLinesIsBegunAnew) {
  Ledger ledger = open();
  ASSERT_TRUE(ledger.append(record(kMonday)));
  std::filesystem::remove(segment_path(path, day_of(kMonday)));
  ASSERT_TRUE(ledger.append(record(kMonday + 1, "second.example.com")));
  auto records = read_records(path, {});
  ASSERT_TRUE(records) << records.error().message;
  ASSERT_THAT(*records, SizeIs(1));
  EXPECT_EQ(records->front().hosts.front(), "second.example.com");
}

TEST_F(LedgerTest, NothingMayBeSentWhileItCannotBeWritten) {
  Ledger ledger = open();
  EXPECT_TRUE(ledger.may_send());
  std::filesystem::create_directory(day(0));  // where the file should be
  EXPECT_FALSE(ledger.append(record(kMonday)));
  std::filesystem::permissions(path + "/lock", std::filesystem::perms::none);
  std::filesystem::remove(path + "/lock");
  auto refused = ledger.may_send();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("nothing is sent"));
  std::ofstream(path + "/lock") << "";
  EXPECT_TRUE(ledger.may_send()) << "there is room again";
}

TEST_F(LedgerTest, AnEmptyLedgerIsWhole) {
  EXPECT_TRUE(check().is_whole);
  EXPECT_THAT(*read_records(path, {}), IsEmpty());
}

}  // namespace
}  // namespace hearth::egress
