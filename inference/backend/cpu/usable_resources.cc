#include "backend/cpu/usable_resources.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "backend/cpu/thread_pool.h"

namespace hearth::cpu {
namespace {

namespace fs = std::filesystem;

// The first line of a file; empty if it cannot be read.
std::string first_line(const fs::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::optional<uint64_t> parse_number(const std::string& text) {
  std::istringstream in(text);
  int64_t value = 0;
  if (!(in >> value) || value < 0) return std::nullopt;  // "max", "-1"
  return static_cast<uint64_t>(value);
}

// The folder of this process's cgroup below a mounted tree, then every folder above it. In a
// container the path may be the host's and not exist here: the walk still ends at the mount.
std::vector<fs::path> cgroup_folders(const fs::path& mount, const fs::path& own) {
  std::vector<fs::path> folders;
  for (fs::path at = own.relative_path(); !at.empty(); at = at.parent_path()) {
    folders.push_back(mount / at);
  }
  folders.push_back(mount);
  return folders;
}

// Calls v2(folder) or v1(folder) for each cgroup folder that can limit this process.
// Lines of /proc/self/cgroup are "id:controllers:path"; v2 has no controllers.
template <class V2, class V1>
void each_cgroup(const fs::path& root, const std::string& controller, const V2& v2, const V1& v1) {
  std::ifstream in(root / "proc/self/cgroup");
  const fs::path mounts = root / "sys/fs/cgroup";
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path own = line.substr(second + 1);
    if (controllers.empty()) {
      for (const char* tree : {"", "unified"}) {  // pure v2, and v2 beside v1
        for (const fs::path& folder : cgroup_folders(mounts / tree, own)) v2(folder);
      }
    } else if (("," + controllers + ",").find("," + controller + ",") != std::string::npos) {
      for (const std::string& tree : {controller, controllers}) {
        for (const fs::path& folder : cgroup_folders(mounts / tree, own)) v1(folder);
      }
    }
  }
}

template <class T>
void lower(std::optional<T>& limit, T value) {
  limit = std::min(limit.value_or(value), value);
}

// Logical CPUs in this thread's affinity mask, however many the machine has.
std::vector<uint32_t> allowed_cpus() {
  for (int capacity = 1024; capacity <= 1 << 20; capacity *= 2) {
    cpu_set_t* set = CPU_ALLOC(capacity);
    const size_t bytes = CPU_ALLOC_SIZE(capacity);
    const bool fits = sched_getaffinity(0, bytes, set) == 0;
    std::vector<uint32_t> cpus;
    for (int cpu = 0; fits && cpu < capacity; cpu++) {
      if (CPU_ISSET_S(cpu, bytes, set)) cpus.push_back(static_cast<uint32_t>(cpu));
    }
    CPU_FREE(set);
    if (fits) return cpus;
  }
  return {0};
}

}  // namespace

std::optional<uint32_t> cpu_quota(const fs::path& root) {
  std::optional<uint32_t> limit;
  const auto apply = [&](std::optional<uint64_t> quota, std::optional<uint64_t> period) {
    if (quota && period && *quota > 0 && *period > 0) {
      const uint64_t whole = std::clamp<uint64_t>(*quota / *period, 1, UINT32_MAX);
      lower(limit, static_cast<uint32_t>(whole));
    }
  };
  const auto v2 = [&](const fs::path& folder) {
    std::istringstream line(first_line(folder / "cpu.max"));  // "<quota|max> <period>"
    std::string quota, period;
    line >> quota >> period;
    apply(parse_number(quota), parse_number(period));
  };
  const auto v1 = [&](const fs::path& folder) {
    apply(parse_number(first_line(folder / "cpu.cfs_quota_us")),
          parse_number(first_line(folder / "cpu.cfs_period_us")));
  };
  each_cgroup(root, "cpu", v2, v1);
  return limit;
}

std::optional<uint64_t> memory_limit(const fs::path& root) {
  std::optional<uint64_t> limit;
  const auto apply = [&](const fs::path& file) {
    if (const auto bytes = parse_number(first_line(file)); bytes && *bytes > 0) {
      lower(limit, *bytes);
    }
  };
  each_cgroup(
      root, "memory", [&](const fs::path& folder) { apply(folder / "memory.max"); },
      [&](const fs::path& folder) { apply(folder / "memory.limit_in_bytes"); });
  return limit;
}

uint32_t distinct_cores(std::span<const uint32_t> cpus, const fs::path& root) {
  std::set<std::string> cores;  // each named by the list of its logical CPUs
  for (uint32_t cpu : cpus) {
    const std::string name = "cpu" + std::to_string(cpu);
    const fs::path topology = root / "sys/devices/system/cpu" / name / "topology";
    const std::string siblings = first_line(topology / "thread_siblings_list");
    cores.insert(siblings.empty() ? name : siblings);
  }
  return std::max<uint32_t>(1, static_cast<uint32_t>(cores.size()));
}

uint32_t usable_cores() {
  const uint32_t cores = distinct_cores(allowed_cpus(), "/");
  return std::min(cores, cpu_quota("/").value_or(cores));
}

uint64_t usable_memory_bytes() {
  const uint64_t ram =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return std::min(ram, memory_limit("/").value_or(ram));
}

}  // namespace hearth::cpu
