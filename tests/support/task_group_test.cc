#include "support/task_group.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "support/offload.h"

namespace hearth {
namespace {

Task<> wait_for_ever(int& n_cancelled) {
  net::steady_timer timer(co_await net::this_coro::executor, net::steady_timer::time_point::max());
  auto [error] = co_await timer.async_wait(as_result);
  if (error == net::error::operation_aborted) ++n_cancelled;
}

Task<> fail() {
  throw std::runtime_error("on purpose");
  co_return;
}

Task<> join(TaskGroup& group, bool& joined) {
  co_await group.join();
  joined = true;
}

TEST(TaskGroup, CancelsAndJoinsItsTasks) {
  net::io_context loop;
  TaskGroup group(loop.get_executor());
  int n_cancelled = 0;
  bool joined = false;
  EXPECT_TRUE(group.spawn("one", wait_for_ever(n_cancelled)));
  EXPECT_TRUE(group.spawn("two", wait_for_ever(n_cancelled)));
  loop.poll();
  EXPECT_EQ(group.size(), 2u);
  group.cancel();
  net::co_spawn(loop, join(group, joined), net::detached);
  loop.restart();
  loop.run();
  EXPECT_EQ(n_cancelled, 2);
  EXPECT_TRUE(joined);
}

TEST(TaskGroup, RefusesTasksOnceClosing) {
  net::io_context loop;
  TaskGroup group(loop.get_executor());
  group.cancel();
  int n_cancelled = 0;
  EXPECT_FALSE(group.spawn("late", wait_for_ever(n_cancelled)));
}

TEST(TaskGroup, SurvivesATaskThatThrows) {
  net::io_context loop;
  TaskGroup group(loop.get_executor());
  group.spawn("thrower", fail());
  loop.run();
  EXPECT_EQ(group.size(), 0u);
}

Task<> offload(net::thread_pool& pool, std::thread::id& ran_on, std::thread::id& came_back_on) {
  std::function<std::thread::id()> who = [] { return std::this_thread::get_id(); };
  ran_on = co_await run_on(pool, std::move(who));
  came_back_on = std::this_thread::get_id();
}

TEST(Offload, RunsOnAWorkerAndComesBack) {
  net::io_context loop;
  net::thread_pool pool(1);
  std::thread::id ran_on, came_back_on;
  net::co_spawn(loop, offload(pool, ran_on, came_back_on), net::detached);
  loop.run();
  EXPECT_TRUE(ran_on != std::this_thread::get_id());
  EXPECT_TRUE(came_back_on == std::this_thread::get_id());
}

}  // namespace
}  // namespace hearth
