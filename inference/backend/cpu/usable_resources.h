// What the kernel lets this process use, read from /proc, /sys and the cgroup trees.
//
// Each function takes the root that these paths hang from ("/" in the product), so tests give it a
// tree of their own. Files that are missing or odd mean "no limit".
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

namespace hearth::cpu {

// Whole CPUs granted by the tightest quota over this process's cgroup and all above it (v2 cpu.max,
// v1 cpu.cfs_quota_us). Rounded down, at least 1: a spinning pool that is one over gets throttled.
std::optional<uint32_t> cpu_quota(const std::filesystem::path& root);

// The tightest memory limit over this process's cgroup and all above it.
std::optional<uint64_t> memory_limit(const std::filesystem::path& root);

// How many physical cores the given logical CPUs span.
uint32_t distinct_cores(std::span<const uint32_t> cpus, const std::filesystem::path& root);

}  // namespace hearth::cpu
