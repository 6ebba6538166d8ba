#include <gtest/gtest.h>
#include <stdlib.h>

#include "backend/cpu/ops.h"

namespace hearth::cpu {
namespace {

class PathChoice : public testing::Test {
 protected:
  PathChoice() {
    unsetenv("HEARTH_CPU_PATH");
    detected_ = best_path();
  }
  ~PathChoice() override { unsetenv("HEARTH_CPU_PATH"); }

  static Path with_wish(const char* wish) {
    setenv("HEARTH_CPU_PATH", wish, 1);
    return best_path();
  }

  Path detected_;
};

TEST_F(PathChoice, TheEnvironmentLowersIt) { EXPECT_EQ(with_wish("scalar"), Path::scalar); }

TEST_F(PathChoice, TheEnvironmentNeverRaisesIt) { EXPECT_LE(with_wish("amx"), detected_); }

TEST_F(PathChoice, AnUnknownNameIsIgnored) {
  EXPECT_EQ(with_wish("avx9000"), detected_);
  EXPECT_EQ(with_wish(""), detected_);
}

#if defined(__x86_64__)
TEST_F(PathChoice, AgreesWithTheCompilersDetection) {
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  EXPECT_EQ(detected_ >= Path::avx2, has_avx2);
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512vnni");
  EXPECT_EQ(detected_ >= Path::avx512, has_avx512);
}
#endif

}  // namespace
}  // namespace hearth::cpu
