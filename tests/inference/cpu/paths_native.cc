#include "inference/cpu/paths.h"

namespace hearth::cpu {

std::vector<PathUnderTest> paths_under_test() {
  std::vector<PathUnderTest> paths;
  for (Path path : {Path::scalar, Path::avx2, Path::avxvnni, Path::avx512, Path::amx}) {
    if (is_usable(path)) paths.push_back({path, std::string(name_of(path))});
  }
  return paths;
}

}  // namespace hearth::cpu
