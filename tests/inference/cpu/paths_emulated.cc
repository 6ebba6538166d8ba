#include "inference/cpu/paths.h"

namespace hearth::cpu {

std::vector<PathUnderTest> paths_under_test() {
  return {{Path::avxvnni, "avxvnni_emulated"},
          {Path::avx512, "avx512_emulated"},
          {Path::amx, "amx_emulated"}};
}

}  // namespace hearth::cpu
