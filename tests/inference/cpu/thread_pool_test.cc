#include "backend/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <numeric>
#include <thread>
#include <vector>

namespace hearth::cpu {
namespace {

TEST(ThreadPool, RunsEveryPieceExactlyOnce) {
  for (uint32_t n_threads : {1u, 2u, 5u}) {
    ThreadPool pool(n_threads);
    for (uint32_t n : {0u, 1u, 2u, 7u, 1000u}) {
      std::vector<std::atomic<int>> times(n);
      pool.run(n, [&](uint32_t i) { times[i]++; });
      for (uint32_t i = 0; i < n; i++)
        EXPECT_EQ(times[i], 1) << n_threads << " threads, piece " << i;
    }
  }
}

// Late workers of one call must neither repeat its pieces nor steal the next call's arguments.
TEST(ThreadPool, ManyShortCallsDoNotMix) {
  ThreadPool pool(4);
  for (uint32_t call = 0; call < 20000; call++) {
    const uint32_t n = 1 + call % 9;
    std::atomic<uint64_t> sum = 0;
    pool.run(n, [&, call](uint32_t i) { sum += uint64_t{call} * 16 + i; });
    ASSERT_EQ(sum, uint64_t{call} * 16 * n + n * (n - 1) / 2) << "call " << call;
  }
}

TEST(ThreadPool, PiecesRunAtTheSameTime) {
  ThreadPool pool(3);
  EXPECT_EQ(pool.size(), 3u);
  for (int call = 0; call < 50; call++) {
    std::latch all_here(3);  // would never open if one thread ran two pieces in turn
    pool.run(3, [&](uint32_t) { all_here.arrive_and_wait(); });
  }
}

TEST(ThreadPool, WakesWorkersThatFellAsleep) {
  ThreadPool pool(2);
  for (int call = 0; call < 5; call++) {
    volatile uint64_t busy = 0;  // much longer than the workers spin
    for (uint64_t i = 0; i < 2'000'000; i++) busy = busy + i;
    std::latch both_here(2);
    pool.run(2, [&](uint32_t) { both_here.arrive_and_wait(); });
  }
  EXPECT_EQ(pool.size(), 2u);
}

TEST(ThreadPool, TheCallerTakesPart) {
  ThreadPool pool(2);
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<bool> has_taken_part = false;
  std::latch both_here(2);
  pool.run(2, [&](uint32_t) {
    if (std::this_thread::get_id() == caller) has_taken_part = true;
    both_here.arrive_and_wait();
  });
  EXPECT_TRUE(has_taken_part);
}

TEST(ThreadPool, ResultsAreVisibleToTheCaller) {
  ThreadPool pool(4);
  std::vector<int> out(10000);
  pool.run(100, [&](uint32_t piece) {
    for (uint32_t i = piece * 100; i < (piece + 1) * 100; i++) out[i] = static_cast<int>(i);
  });
  std::vector<int> expected(10000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(out, expected);
}

TEST(ThreadPool, DefaultsToTheUsableCores) {
  EXPECT_EQ(ThreadPool().size(), usable_cores());
  EXPECT_GE(usable_cores(), 1u);
  EXPECT_LE(usable_cores(), std::thread::hardware_concurrency());
}

}  // namespace
}  // namespace hearth::cpu
