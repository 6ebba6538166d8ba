#include "inference/cpu/paths.h"

namespace hearth::cpu {

std::vector<PathUnderTest> paths_under_test() { return {{Path::avx512, "avx512_emulated"}}; }

}  // namespace hearth::cpu
