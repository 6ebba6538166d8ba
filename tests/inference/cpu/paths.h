// Which paths a test program checks: those that this CPU runs (paths_native.cc), or those with
// VNNI on SIMDe, which runs on any x86-64 (paths_emulated.cc).
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "backend/cpu/ops.h"

namespace hearth::cpu {

struct PathUnderTest {
  Path path;
  std::string label;
};

std::vector<PathUnderTest> paths_under_test();

// Base of the suites that hold for every path.
class EveryPath : public testing::TestWithParam<PathUnderTest> {
 protected:
  Path path() const { return GetParam().path; }
};

}  // namespace hearth::cpu

#define HEARTH_FOR_EVERY_PATH(Suite)                                                    \
  INSTANTIATE_TEST_SUITE_P(, Suite, testing::ValuesIn(hearth::cpu::paths_under_test()), \
                           [](const auto& test_info) { return test_info.param.label; })
