#include "engine/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hearth::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kMiB = 1 << 20;

// 64 tokens per page, a page a MiB: 100 MiB of weights and 20 of workspace leave the rest to KV.
MemoryNeeds needs(uint64_t available_mib, uint32_t n_context) {
  return {.model = "m",
          .available_bytes = available_mib * kMiB,
          .weights_bytes = 100 * kMiB,
          .workspace_bytes = 20 * kMiB,
          .page_bytes = kMiB,
          .page_tokens = 64,
          .n_context_wanted = n_context};
}

TEST(MemoryPlan, GivesTheWantedContextWhenItFits) {
  auto plan = plan_memory(needs(184, 4096));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->n_context, 4096u);
  EXPECT_EQ(plan->n_pages, 64u);
  EXPECT_THAT(plan->notes, IsEmpty());
}

TEST(MemoryPlan, ReducesTheContextAndSaysBothNumbers) {
  auto plan = plan_memory(needs(183, 4096));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->n_context, 63u * 64);
  EXPECT_EQ(plan->n_pages, 63u);
  EXPECT_THAT(plan->notes, ElementsAre(HasSubstr("context reduced from 4096 to 4032 tokens")));
}

TEST(MemoryPlan, RefusesWithNumbersWhenTheLeastDoesNotFit) {
  auto plan = plan_memory(needs(127, 4096));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Errc::over_budget);
  EXPECT_THAT(plan.error().message, HasSubstr("needs 128.0 MiB"));
  EXPECT_THAT(plan.error().message, HasSubstr("available 127.0 MiB"));
  EXPECT_TRUE(plan_memory(needs(128, 4096)));
}

TEST(MemoryPlan, RefusesWeightsLargerThanMemory) {
  auto plan = plan_memory(needs(50, 4096));
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message, HasSubstr("weights 100.0 MiB"));
}

TEST(MemoryPlan, AShortContextNeedsNoMoreThanItself) {
  auto plan = plan_memory(needs(122, 100));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->n_context, 100u);
  EXPECT_EQ(plan->n_pages, 2u);
}

TEST(MemoryPlan, PlentyOfMemoryServesSeveralContexts) {
  EXPECT_EQ(plan_memory(needs(10000, 4096))->n_pages, 8u * 64);
  EXPECT_EQ(plan_memory(needs(2 * (120 + 128), 4096))->n_pages, 2u * 64);  // just half
  EXPECT_EQ(plan_memory(needs(2 * (120 + 128) - 1, 4096))->n_pages, 64u);
}

// Half of each page belongs to layers with a window: beyond what 16 sequences hold, only the other
// half grows.
TEST(MemoryPlan, WindowsDoNotGrowWithTheContext) {
  MemoryNeeds windowed = needs(100000, 65536);
  windowed.page_bytes = windowed.window_bytes = kMiB / 2;
  windowed.windows_per_sequence = 4;
  auto plan = plan_memory(windowed);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->n_windows, 64u);
  EXPECT_EQ(plan->kv_bytes, plan->n_pages * (kMiB / 2) + 32 * kMiB);
  windowed.available_bytes = (120 + 544) * kMiB;  // 1024 halves and 64 halves
  EXPECT_EQ(plan_memory(windowed)->n_context, 65536u);
  windowed.available_bytes -= 1;
  EXPECT_EQ(plan_memory(windowed)->n_context, 1023u * 64);
}

}  // namespace
}  // namespace hearth::engine
