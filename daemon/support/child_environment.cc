#include "support/child_environment.h"

#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace hearth {

namespace {

constexpr std::string_view kNames[] = {"PATH",           "HOME", "USER",   "LOGNAME", "LANG",
                                       "LANGUAGE",       "TZ",   "TMPDIR", "TERM",    "NO_COLOR",
                                       "LD_LIBRARY_PATH"};
constexpr std::string_view kPrefixes[] = {
    "LC_",     "XDG_",           "HEARTH_", "CUDA_",  "NVIDIA_", "OMP_",  "GOMP_",
    "MALLOC_", "GLIBC_TUNABLES", "ASAN_",   "UBSAN_", "TSAN_",   "LSAN_", "LLVM_PROFILE_FILE"};

}  // namespace

std::vector<char*> child_environment(std::initializer_list<std::string_view> further) {
  std::vector<char*> kept;
  for (char** each = environ; each && *each; ++each) {
    const std::string_view name =
        std::string_view(*each).substr(0, std::string_view(*each).find('='));
    auto begins_with = [&](std::string_view prefix) { return name.starts_with(prefix); };
    const bool is_known = std::ranges::count(kNames, name) > 0 ||
                          std::ranges::any_of(kPrefixes, begins_with) ||
                          std::ranges::any_of(further, begins_with);
    if (is_known) kept.push_back(*each);
  }
  kept.push_back(nullptr);
  return kept;
}

}  // namespace hearth
