#include <algorithm>
#include <cstdlib>
#include <optional>

#include "backend/cpu/ops.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
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
  bool avx2 = false, avxvnni = false, avx512 = false, amx = false;
};

// Linux gives a process the registers of tiles when it asks for them.
bool may_use_tiles() {
#if defined(__linux__)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

Support detect() {
  constexpr uint32_t kAvxState = 0x6, kAvx512State = 0xe6, kAmxState = 0x60000;
  const CpuId basic = cpuid(1), extended = cpuid(7);
  if ((basic.ecx & bit_OSXSAVE) == 0) return {};
  const uint32_t state = saved_state();
  constexpr uint32_t kBasic = bit_FMA | bit_AVX | bit_F16C;
  const bool has_avx2 = (state & kAvxState) == kAvxState && (basic.ecx & kBasic) == kBasic &&
                        (extended.ebx & bit_AVX2) != 0;
  if (!has_avx2) return {};
  constexpr uint32_t kAvxVnni = 1 << 4;
  constexpr uint32_t kWide = bit_AVX512F | bit_AVX512BW | bit_AVX512VL;
  constexpr uint32_t kTiles = 1 << 24 | 1 << 25;  // AMX-TILE, AMX-INT8
  const bool has_avx512 = (state & kAvx512State) == kAvx512State &&
                          (extended.ebx & kWide) == kWide && (extended.ecx & bit_AVX512VNNI) != 0;
  return {.avx2 = true,
          .avxvnni = extended.eax >= 1 && (cpuid(7, 1).eax & kAvxVnni) != 0,
          .avx512 = has_avx512,
          .amx = has_avx512 && (state & kAmxState) == kAmxState &&
                 (extended.edx & kTiles) == kTiles && may_use_tiles()};
}

const Support& support() {
  static const Support detected = detect();
  return detected;
}

#else

struct Support {
  bool avx2 = false, avxvnni = false, avx512 = false, amx = false;
};

Support support() { return {}; }

#endif

std::optional<Path> path_of(std::string_view name) {
  for (Path path : {Path::scalar, Path::avx2, Path::avxvnni, Path::avx512, Path::amx}) {
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
    case Path::amx: return support().amx;
  }
  return false;
}

Path best_path() {
  Path best = Path::scalar;
  for (Path path : {Path::avx2, Path::avxvnni, Path::avx512, Path::amx})
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
    case Path::amx: return "amx";
    case Path::scalar: break;
  }
  return "scalar";
}

}  // namespace hearth::cpu
