#include <algorithm>
#include <cstdlib>
#include <optional>

#include "backend/cpu/ops.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace hearth::cpu {
namespace {

#if defined(__x86_64__)

struct CpuId {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuId cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  CpuId id;
  __get_cpuid_count(leaf, subleaf, &id.eax, &id.ebx, &id.ecx,
                    &id.edx);  // zero beyond the last leaf
  return id;
}

// Which register state the operating system saves on a context switch.
uint32_t saved_state() {
  uint32_t low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

struct Support {
  bool avx2 = false, avxvnni = false, avx512 = false;
};

Support detect() {
  constexpr uint32_t kAvxState = 0x6, kAvx512State = 0xe6;
  const CpuId basic = cpuid(1), extended = cpuid(7);
  if ((basic.ecx & bit_OSXSAVE) == 0) return {};
  const uint32_t state = saved_state();
  constexpr uint32_t kBasic = bit_FMA | bit_AVX | bit_F16C;
  const bool has_avx2 = (state & kAvxState) == kAvxState && (basic.ecx & kBasic) == kBasic &&
                        (extended.ebx & bit_AVX2) != 0;
  if (!has_avx2) return {};
  constexpr uint32_t kAvxVnni = 1 << 4;
  constexpr uint32_t kWide = bit_AVX512F | bit_AVX512BW | bit_AVX512VL;
  return {.avx2 = true,
          .avxvnni = extended.eax >= 1 && (cpuid(7, 1).eax & kAvxVnni) != 0,
          .avx512 = (state & kAvx512State) == kAvx512State && (extended.ebx & kWide) == kWide &&
                    (extended.ecx & bit_AVX512VNNI) != 0};
}

const Support& support() {
  static const Support detected = detect();
  return detected;
}

#else

struct Support {
  bool avx2 = false, avxvnni = false, avx512 = false;
};

Support support() { return {}; }

#endif

std::optional<Path> path_of(std::string_view name) {
  for (Path path : {Path::scalar, Path::avx2, Path::avxvnni, Path::avx512}) {
    if (name == name_of(path)) return path;
  }
  return std::nullopt;
}

}  // namespace

bool is_usable(Path path) {
  switch (path) {
    case Path::scalar: return true;
    case Path::avx2: return support().avx2;
    case Path::avxvnni: return support().avxvnni;
    case Path::avx512: return support().avx512;
  }
  return false;
}

Path best_path() {
  Path best = Path::scalar;
  for (Path path : {Path::avx2, Path::avxvnni, Path::avx512})
    if (is_usable(path)) best = path;
  const char* wish = std::getenv("HEARTH_CPU_PATH");
  const Path wished = path_of(wish != nullptr ? wish : "").value_or(best);
  return is_usable(wished) ? wished : best;
}

std::string_view name_of(Path path) {
  switch (path) {
    case Path::avx2: return "avx2";
    case Path::avxvnni: return "avxvnni";
    case Path::avx512: return "avx512";
    case Path::scalar: break;
  }
  return "scalar";
}

}  // namespace hearth::cpu
