// Which server of a pool is tried first.
#include "router/pool.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/simulated_clock.h"

namespace hearth::router {
namespace {

using ::testing::UnorderedElementsAreArray;

class PoolTest : public ::testing::Test {
 protected:
  PoolTest() { pool.endpoints = {"http://a/v1", "http://b/v1", "http://c/v1", "http://d/v1"}; }
  std::string first(std::string_view affinity) const { return pools.order(pool, affinity)[0]; }
  static std::string conversation(int i) { return fmt::format("hearth-{}", i); }

  net::io_context io{1};
  testing::SimulatedClock clock{io};
  Pools pools{clock};
  Target pool;
};

TEST_F(PoolTest, AConversationStaysAndManyAreSpread) {
  std::map<std::string, int> share;
  for (int i = 0; i < 4000; ++i) {
    ++share[first(conversation(i))];
    EXPECT_EQ(first(conversation(i)), first(conversation(i)));
  }
  ASSERT_EQ(share.size(), 4u);
  for (const auto& [endpoint, n] : share) EXPECT_NEAR(n, 1000, 150) << endpoint;
  EXPECT_THAT(pools.order(pool, "x"), UnorderedElementsAreArray(pool.endpoints));
}

TEST_F(PoolTest, WhoLeavesMovesOnlyItsOwnShare) {
  std::vector<std::string> before;
  for (int i = 0; i < 1000; ++i) before.push_back(first(conversation(i)));
  const std::string gone = pool.endpoints.back();
  pool.endpoints.pop_back();
  for (int i = 0; i < 1000; ++i)
    if (before[static_cast<size_t>(i)] != gone) {
      EXPECT_EQ(first(conversation(i)), before[static_cast<size_t>(i)]);
    }
}

TEST_F(PoolTest, ItGoesElsewhereOnlyWhenItsServerIsClearlyBusier) {
  const std::string home = first("conversation");
  PoolFigures busy;
  busy.n_running = 3;
  pools.note(home, busy);
  EXPECT_EQ(first("conversation"), home) << "a little more to do costs less than a cold cache";
  busy.n_waiting = 10;
  pools.note(home, busy);
  EXPECT_NE(first("conversation"), home);
  for (const std::string& endpoint : pool.endpoints) pools.note(endpoint, busy);
  EXPECT_EQ(first("conversation"), home) << "all are as busy";
}

TEST_F(PoolTest, AFullCacheIsLast) {
  const std::string home = first("conversation");
  PoolFigures full;
  full.cache_use = 0.99;
  pools.note(home, full);
  EXPECT_EQ(pools.order(pool, "conversation").back(), home);
}

TEST_F(PoolTest, OldFiguresCountNoMore) {
  const std::string home = first("conversation");
  PoolFigures busy;
  busy.n_waiting = 100;
  pools.note(home, busy);
  clock.jump(clock.now() + std::chrono::seconds(6));
  EXPECT_EQ(first("conversation"), home);
  EXPECT_FALSE(pools.figures(home));
}

TEST_F(PoolTest, WhatWeSentCountsBeforeTheServerSaysIt) {
  for (int i = 0; i < 8; ++i) {
    const std::string endpoint = first("");
    pools.begin(endpoint);
  }
  std::map<std::string, int> n;
  for (const std::string& endpoint : pool.endpoints)
    for (int i = 0; i < 2; ++i) pools.end(endpoint);
  EXPECT_EQ(first("x"), first("x"));
}

TEST_F(PoolTest, OneLookAtATimeAndNotTooOften) {
  EXPECT_TRUE(pools.wants_look("http://a/v1"));
  EXPECT_FALSE(pools.wants_look("http://a/v1")) << "it is under way";
  pools.note("http://a/v1", std::nullopt);
  EXPECT_FALSE(pools.wants_look("http://a/v1")) << "a server that does not answer is not pressed";
  clock.jump(clock.now() + std::chrono::seconds(1));
  EXPECT_TRUE(pools.wants_look("http://a/v1"));
}

// Written after the public documentation of each server's metrics.
TEST(PoolFigures, AreReadFromEachServersMetrics) {
  auto vllm = read_figures(R"(# HELP vllm:num_requests_running Number of requests
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a {b}"} 3.0
vllm:num_requests_running{engine="1",model_name="a {b}"} 2.0
vllm:num_requests_waiting{engine="0"} 7.0
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.75
vllm:prefix_cache_queries_total{engine="0"} 1000.0
vllm:prefix_cache_hits_total{engine="0"} 400.0
)");
  ASSERT_TRUE(vllm);
  EXPECT_EQ(vllm->n_running, 5);
  EXPECT_EQ(vllm->n_waiting, 7);
  EXPECT_EQ(vllm->cache_use, 0.75);
  EXPECT_EQ(vllm->hit_rate, 0.4);
  auto sglang = read_figures(
      "sglang:num_running_reqs{model_name=\"m\"} 4\nsglang:num_queue_reqs 1\n"
      "sglang:token_usage 0.5\nsglang:cache_hit_rate 0.9");
  ASSERT_TRUE(sglang);
  EXPECT_EQ(sglang->n_running, 4);
  EXPECT_EQ(sglang->n_waiting, 1);
  EXPECT_EQ(sglang->hit_rate, 0.9);
}

TEST(PoolFigures, WhatIsNoFigureIsPassedOver) {
  for (std::string_view text :
       {"", "\n\n", "# only\n# comments", "<html>no</html>", "vllm:num_requests_running",
        "vllm:num_requests_running{", "vllm:num_requests_running{} ",
        "vllm:num_requests_running -3", "vllm:num_requests_running nan",
        "vllm:num_requests_running 1e999", "other 3"})
    EXPECT_FALSE(read_figures(text)) << text;
  std::string noise(3 << 20, 'x');
  EXPECT_FALSE(read_figures(noise + "\nvllm:num_requests_running 3")) << "bounded";
}

}  // namespace
}  // namespace hearth::router
