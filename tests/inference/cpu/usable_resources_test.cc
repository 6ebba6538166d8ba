#include "backend/cpu/usable_resources.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <array>
#include <fstream>
#include <string>

#include "backend/cpu/thread_pool.h"

namespace hearth::cpu {
namespace {

namespace fs = std::filesystem;
using testing::Optional;

// A root folder with the given files, removed at the end.
class UsableResources : public testing::Test {
 protected:
  UsableResources() {
    std::string name = testing::TempDir() + "hearth-root-XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~UsableResources() override { fs::remove_all(root_); }

  void write(const fs::path& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  fs::path root_;
};

TEST_F(UsableResources, NothingMeansNoLimit) {
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
  EXPECT_EQ(memory_limit(root_), std::nullopt);
}

TEST_F(UsableResources, MaxMeansNoLimit) {
  write("proc/self/cgroup", "0::/a\n");
  write("sys/fs/cgroup/a/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/a/memory.max", "max\n");
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
  EXPECT_EQ(memory_limit(root_), std::nullopt);
}

TEST_F(UsableResources, TheTightestCgroupOnTheWayUpCounts) {
  write("proc/self/cgroup", "0::/outer/middle/inner\n");
  write("sys/fs/cgroup/outer/cpu.max", "800000 100000\n");
  write("sys/fs/cgroup/outer/middle/cpu.max", "300000 100000\n");
  write("sys/fs/cgroup/outer/middle/inner/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/outer/memory.max", "1000\n");
  write("sys/fs/cgroup/outer/middle/inner/memory.max", "5000\n");
  EXPECT_THAT(cpu_quota(root_), Optional(3u));
  EXPECT_THAT(memory_limit(root_), Optional(1000u));
}

TEST_F(UsableResources, AQuotaIsRoundedDownButNeverToZero) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/cpu.max", "250000 100000\n");
  EXPECT_THAT(cpu_quota(root_), Optional(2u));
  write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_THAT(cpu_quota(root_), Optional(1u));
}

TEST_F(UsableResources, ReadsVersionOneTrees) {
  write("proc/self/cgroup", "5:memory:/job\n4:cpu,cpuacct:/job\n0::/\n");
  write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "400000\n");
  write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "123456\n");
  EXPECT_THAT(cpu_quota(root_), Optional(4u));
  EXPECT_THAT(memory_limit(root_), Optional(123456u));
}

TEST_F(UsableResources, VersionOneMinusOneMeansNoLimit) {
  write("proc/self/cgroup", "4:cpu:/\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
}

// In a container the cgroup's path may be the host's, while its own limits are at the mount.
TEST_F(UsableResources, FallsBackToTheMountWhenThePathIsNotThere) {
  write("proc/self/cgroup", "0::/docker/0123456789abcdef\n");
  write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_THAT(cpu_quota(root_), Optional(2u));
}

TEST_F(UsableResources, OddFilesMeanNoLimit) {
  write("proc/self/cgroup", "no colons\n:\n0::/x\n");
  write("sys/fs/cgroup/x/cpu.max", "garbage\n");
  write("sys/fs/cgroup/cpu.max", "100000 0\n");
  write("sys/fs/cgroup/x/memory.max", "");
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
  EXPECT_EQ(memory_limit(root_), std::nullopt);
}

TEST_F(UsableResources, SiblingThreadsAreOneCore) {
  for (int cpu = 0; cpu < 4; cpu++) {
    write("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
          cpu % 2 == 0 ? "0,2\n" : "1,3\n");
  }
  EXPECT_EQ(distinct_cores(std::array{0u, 1u, 2u, 3u}, root_), 2u);
  EXPECT_EQ(distinct_cores(std::array{0u, 2u}, root_), 1u);
  EXPECT_EQ(distinct_cores(std::array{2u, 3u}, root_), 2u);
}

TEST_F(UsableResources, WithoutTopologyEveryCpuIsACore) {
  EXPECT_EQ(distinct_cores(std::array{0u, 1u, 5u}, root_), 3u);
  EXPECT_EQ(distinct_cores({}, root_), 1u);
}

TEST_F(UsableResources, ThisMachineHasMemory) { EXPECT_GT(usable_memory_bytes(), 1u << 20); }

}  // namespace
}  // namespace hearth::cpu
