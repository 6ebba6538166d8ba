// The log under power loss, full disks and failing ones. fault_vfs.h says what is simulated.
//
// HEARTH_TEST_CYCLES raises the number of simulated power losses (about 3 ms each).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <map>
#include <set>

#include "session/log_reader.h"
#include "session/log_writer.h"
#include "session/schema.h"
#include "session_fixture.h"
#include "support/fault_vfs.h"

namespace hearth::test {
namespace {

using session::Append;
using session::LoggedEvent;
using session::LogReader;
using storage::Writer;

constexpr const char* kSession = "ses_1";

// A log on a FaultVfs, and what its writer was told about each event.
class RecordedLog {
 public:
  RecordedLog(const std::string& folder, FaultVfs& vfs, uint64_t checkpoint_bytes)
      : path_(folder + "/sessions.db") {
    auto log = storage::open_file(path_, vfs.name(), session::schema());
    if (!log) throw std::runtime_error(log.error().message);
    auto reader = LogReader::open(path_, vfs.name());
    if (!reader) throw std::runtime_error(reader.error().message);
    (void)reader->epoch();
    reader_ = std::move(*reader);
    writer_ = std::make_unique<Writer>("sessions", std::move(log->database), path_, vfs.name(),
                                       checkpoint_bytes);
  }

  // What a crash at this moment must keep. Complete after the writer's thread has answered.
  std::set<uint64_t> acknowledged() const {
    std::lock_guard lock(mutex_);
    return acknowledged_;
  }
  const std::set<uint64_t>& failed() const { return failed_; }
  const std::set<uint64_t>& unawaited() const { return unawaited_; }
  std::map<uint64_t, std::string> written() const { return data_; }
  LogReader& reader() { return *reader_; }

  std::future<Result<>> begin(size_t n_events, size_t n_bytes) {
    Append append = next(n_events, n_bytes);
    std::vector<uint64_t> seqs = seqs_of(append);
    Writer::Write write = session::write_of(std::move(append));
    auto promise = std::make_shared<std::promise<Result<>>>();
    auto future = promise->get_future();
    write.done = [this, seqs, promise](Result<> outcome) {
      std::unique_lock lock(mutex_);
      for (uint64_t seq : seqs) (outcome ? acknowledged_ : failed_).insert(seq);
      lock.unlock();
      promise->set_value(outcome);
    };
    writer_->queue(std::move(write));
    return future;
  }
  Result<> append(size_t n_events, size_t n_bytes) { return begin(n_events, n_bytes).get(); }
  void append_later(size_t n_bytes) {
    Append append = next(1, n_bytes);
    unawaited_.insert(append.events[0].seq);
    writer_->queue(session::write_of(std::move(append)));
  }
  Result<> flush() {
    Writer::Write write;
    std::promise<Result<>> promise;
    write.done = [&promise](Result<> outcome) { promise.set_value(outcome); };
    writer_->queue(std::move(write));
    return promise.get_future().get();
  }

 private:
  Append next(size_t n_events, size_t n_bytes) {
    Append append;
    append.session = kSession;
    for (size_t i = 0; i < n_events; ++i) {
      LoggedEvent event;
      event.seq = ++seq_;
      event.kind = "message.upsert";
      event.data = fmt::format("{{\"n\":{},\"x\":\"{}\"}}", seq_,
                               std::string(n_bytes, static_cast<char>('a' + seq_ % 26)));
      data_[seq_] = event.data;
      append.events.push_back(std::move(event));
    }
    protocol::SessionInfo info;
    info.id = kSession;
    info.seq = seq_;
    append.info = info;
    return append;
  }
  static std::vector<uint64_t> seqs_of(const Append& append) {
    std::vector<uint64_t> seqs;
    for (const LoggedEvent& event : append.events) seqs.push_back(event.seq);
    return seqs;
  }

  const std::string path_;
  uint64_t seq_ = 0;
  mutable std::mutex mutex_;
  std::set<uint64_t> acknowledged_;  // guarded by mutex_
  std::set<uint64_t> failed_;        // guarded by mutex_ while writes are under way
  std::map<uint64_t, std::string> data_;
  std::set<uint64_t> unawaited_;
  std::optional<LogReader> reader_;
  std::unique_ptr<Writer> writer_;
};

// What the log in `folder` holds, read with the ordinary file system.
std::map<uint64_t, std::string> read_back(const std::string& folder) {
  std::map<uint64_t, std::string> found;
  auto log = storage::open_file(folder + "/sessions.db", {}, session::schema());
  EXPECT_TRUE(log) << (log ? "" : log.error().message);
  if (!log) return found;
  EXPECT_EQ(log->set_aside, "");
  EXPECT_EQ(*log->database.number("SELECT count(*) FROM pragma_integrity_check "
                                  "WHERE integrity_check='ok'"),
            1);
  auto reader = LogReader::open(folder + "/sessions.db", {});
  auto events = reader->events({kSession});
  EXPECT_TRUE(events);
  if (!events) return found;
  for (const LoggedEvent& event : *events) EXPECT_TRUE(found.emplace(event.seq, event.data).second);
  return found;
}

int cycles(int usual) {
  const char* wanted = std::getenv("HEARTH_TEST_CYCLES");
  return wanted ? std::atoi(wanted) : usual;
}

TEST(PowerLoss, KeepsEveryAcknowledgedEventAndNoTornOne) {
  int n_cycles = cycles(400);
  TemporaryFolder folder;
  int n_done = 0;
  for (uint64_t seed = 1; n_done < n_cycles; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937_64 random(seed);
    FaultVfs vfs(seed);
    std::string home = folder / fmt::format("home-{}", seed);
    std::filesystem::create_directory(home);
    struct Loss {
      FaultVfs::Moment moment;
      std::set<uint64_t> acknowledged;
    };
    std::vector<Loss> losses;
    std::map<uint64_t, std::string> written;
    {
      RecordedLog log(home, vfs, 64 << 10);
      // Runs on the writer's thread. Every sync point, and one in eight of the other operations.
      vfs.on_operation([&, sampling = std::mt19937_64(seed)](bool is_after_sync) mutable {
        if (is_after_sync || sampling() % 8 == 0)
          losses.push_back({vfs.moment(), log.acknowledged()});
      });
      for (int step = 0; step < 25; ++step) {
        size_t n_bytes = 10 + random() % 6000;
        switch (random() % 3) {
          case 0: ASSERT_TRUE(log.append(1 + random() % 3, n_bytes)); break;
          case 1: log.append_later(n_bytes); break;
          default: {
            std::vector<std::future<Result<>>> concurrent;
            for (int i = 0; i < 8; ++i) concurrent.push_back(log.begin(1, n_bytes));
            for (auto& future : concurrent) ASSERT_TRUE(future.get());
          }
        }
      }
      ASSERT_TRUE(log.flush());
      vfs.on_operation(nullptr);
      losses.push_back({vfs.moment(), log.acknowledged()});
      written = log.written();
    }
    for (const Loss& loss : losses) {
      if (n_done == n_cycles) break;
      std::string after = folder / fmt::format("after-{}", n_done++);
      restore(loss.moment.draw(random), after);
      auto found = read_back(after);
      for (uint64_t seq : loss.acknowledged) ASSERT_TRUE(found.contains(seq)) << seq;
      for (const auto& [seq, data] : found) ASSERT_EQ(data, written.at(seq));
      std::filesystem::remove_all(after);
    }
    std::filesystem::remove_all(home);
  }
  EXPECT_EQ(n_done, n_cycles);
}

// One run of a short script with operation `nth` failing; the disk heals when the first error is
// told. Returns whether the fault was met.
bool run_with_fault(uint64_t nth, FaultVfs::Fault fault, const std::string& home) {
  SCOPED_TRACE(fmt::format("operation {} fails", nth));
  std::filesystem::create_directory(home);
  FaultVfs vfs(nth);
  bool was_met = false;
  FaultVfs::Moment end;
  std::set<uint64_t> acknowledged, failed, unawaited;
  {
    RecordedLog log(home, vfs, 48 << 10);
    vfs.fail_from(vfs.n_operations() + nth, fault);
    for (int step = 0; step < 12; ++step) {
      if (step % 3 == 1) log.append_later(2000);
      auto outcome = log.append(1 + static_cast<size_t>(step % 2), 3000);
      if (outcome) continue;
      EXPECT_FALSE(was_met) << "no error after the disk has healed: " << outcome.error().message;
      was_met = true;
      EXPECT_EQ(outcome.error().code, Errc::io);
      EXPECT_TRUE(outcome.error().message.starts_with("nothing was recorded: "));
      if (fault == FaultVfs::Fault::no_space) {
        EXPECT_NE(outcome.error().message.find("disk is full"), std::string::npos)
            << outcome.error().message;
      }
      EXPECT_TRUE(log.reader().events({kSession})) << "reading goes on";
      vfs.heal();
    }
    vfs.heal();
    EXPECT_TRUE(log.flush());
    acknowledged = log.acknowledged();
    failed = log.failed();
    unawaited = log.unawaited();
    end = vfs.moment();
  }
  auto check = [&](const std::string& folder) {
    auto found = read_back(folder);
    for (uint64_t seq : acknowledged) EXPECT_TRUE(found.contains(seq)) << "acknowledged " << seq;
    for (uint64_t seq : unawaited) EXPECT_TRUE(found.contains(seq)) << "kept " << seq;
    for (uint64_t seq : failed) EXPECT_FALSE(found.contains(seq)) << "reported as failed " << seq;
  };
  check(home);
  // And the power fails right after the last answer: no failed sync may count as a success.
  std::mt19937_64 random(nth);
  restore(end.draw(random), home + "-lost");
  check(home + "-lost");
  return was_met;
}

void fail_at_every_operation(FaultVfs::Fault fault) {
  TemporaryFolder folder;
  int n_unmet = 0;
  uint64_t nth = 1;
  // Operations of a checkpoint that nobody waits for can fail unseen; the script has ended for sure
  // when many in a row are not met.
  for (; n_unmet < 40 && nth < 1000; ++nth) {
    bool was_met = run_with_fault(nth, fault, folder / fmt::format("home-{}", nth));
    n_unmet = was_met ? 0 : n_unmet + 1;
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(nth, 100u);
  ::testing::Test::RecordProperty("operations", static_cast<int>(nth));
}

TEST(FullDisk, LosesNothingAcknowledgedAtAnyWriteAndRecovers) {
  fail_at_every_operation(FaultVfs::Fault::no_space);
}

TEST(FailingDisk, LosesNothingAcknowledgedAtAnyOperationAndRecovers) {
  fail_at_every_operation(FaultVfs::Fault::io_error);
}

TEST(GroupCommit, SharesOneSyncBetweenAllWhoWait) {
  TemporaryFolder folder;
  FaultVfs vfs(1);
  RecordedLog log(folder.path(), vfs, 4 << 20);
  ASSERT_TRUE(log.append(1, 100));
  // The first sync waits until 64 appends are queued behind it.
  std::promise<void> all_queued;
  std::atomic<int> n_syncs = 0;
  vfs.on_operation([&, queued = all_queued.get_future().share()](bool is_after_sync) {
    if (is_after_sync && n_syncs++ == 0) queued.wait();
  });
  std::vector<std::future<Result<>>> waiting;
  for (int i = 0; i < 65; ++i) waiting.push_back(log.begin(1, 100));
  all_queued.set_value();
  for (auto& future : waiting) EXPECT_TRUE(future.get());
  EXPECT_LE(n_syncs, 3);
  vfs.on_operation(nullptr);
}

class FullDiskTurns : public SessionTest {
 protected:
  FullDiskTurns() {
    daemon.reset();
    auto with_vfs = options();
    with_vfs.vfs = vfs.name();
    daemon.emplace(std::move(with_vfs));
  }
  ~FullDiskTurns() override { daemon.reset(); }
  void fill() { vfs.fail_from(1, FaultVfs::Fault::no_space); }
  FaultVfs vfs{7};
};

TEST_F(FullDiskTurns, RefuseNewOnesClearlyAndStartAgainWhenThereIsSpace) {
  std::string id = create();
  run_turn(id, "k1");
  ASSERT_TRUE(daemon->loop.run(daemon->store->flush()));
  fill();
  auto refused = start_turn(turn(id, "k2"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::io);
  EXPECT_NE(refused.error().message.find("disk is full"), std::string::npos);
  EXPECT_EQ(session(id)->view().messages.size(), 2u);
  WatchingClient client(1);
  ASSERT_TRUE(subscribe(client, id, 0));
  expect_same_state(client, id);
  vfs.heal();
  run_turn(id, "k2");
  expect_same_state(client, id);
  EXPECT_EQ(session(id)->view().messages.size(), 4u);
}

TEST_F(FullDiskTurns, FinishTheRunningOneAndRecordItLater) {
  std::string id = create();
  daemon->completer.plan({say("before "), wait(), say("after")});
  ASSERT_TRUE(start_turn(turn(id, "k1")));
  run_until_waiting();
  fill();
  daemon->completer.release();
  run_until_idle(id);
  EXPECT_FALSE(daemon->loop.run(daemon->store->flush()));
  std::string state = folded(session(id)->view());
  vfs.heal();
  ASSERT_TRUE(daemon->loop.run(daemon->store->flush()));
  daemon.reset();
  start();
  EXPECT_EQ(folded(session(id)->view()), state);
  EXPECT_EQ(text_of(session(id)->view().messages.back().message), "before after");
}

}  // namespace
}  // namespace hearth::test
