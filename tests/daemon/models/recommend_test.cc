#include "models/recommend.h"

#include <gtest/gtest.h>

#include <set>
#include <string_view>

namespace hearth::models {
namespace {

constexpr MachineFigures kLaptop{16'000'000'000, 40e9, 2e12};

TEST(Recommend, NothingThatDoesNotFitIsRecommended) {
  for (const uint64_t gb : {1, 4, 8, 16, 64}) {
    MachineFigures machine = kLaptop;
    machine.memory_bytes = gb * 1'000'000'000;
    const auto all = recommend(machine);
    for (const Recommendation& one : all)
      EXPECT_EQ(one.fits, one.needed_bytes <= machine.memory_bytes) << one.model->name;
    if (const Recommendation* best = best_of(all)) {
      EXPECT_TRUE(best->fits);
    }
  }
}

TEST(Recommend, FasterMemoryAnswersFasterAndAllowsLargerModels) {
  MachineFigures fast = kLaptop;
  fast.memory_bytes = 64'000'000'000;
  MachineFigures slow = fast;
  slow.read_bytes_per_s = 8e9;
  const auto at_fast = recommend(fast), at_slow = recommend(slow);
  EXPECT_NEAR(at_fast[0].answer_tok_s, 5 * at_slow[0].answer_tok_s, 1e-6);
  ASSERT_TRUE(best_of(at_fast));
  ASSERT_TRUE(best_of(at_slow));
  EXPECT_GT(best_of(at_fast)->needed_bytes, best_of(at_slow)->needed_bytes);
}

TEST(Recommend, ATinyMachineIsToldThatNothingFits) {
  EXPECT_EQ(best_of(recommend({.memory_bytes = 100'000'000, .read_bytes_per_s = 1e9})), nullptr);
}

TEST(Recommend, FiguresOfKnownModelsMakeSense) {
  std::set<std::string_view> names;
  for (const KnownModel& model : known_models()) {
    EXPECT_TRUE(names.insert(model.name).second) << model.name;
    EXPECT_GT(model.file_gb, 0);
    EXPECT_LE(model.active_gb, model.file_gb) << model.name;
    EXPECT_GT(model.kv_token_bytes, 0u);
    EXPECT_TRUE(model.source.empty() || model.source.starts_with("hf:")) << model.name;
  }
}

}  // namespace
}  // namespace hearth::models
