#include "cli/model_path.h"

namespace hearth::cli {

models::Store store_of(const Common& common) {
  return models::Store(path::join(common.folders.data, "models"));
}

std::string model_path(const Common& common, const std::string& path_or_name) {
  if (path_or_name.find('/') != path_or_name.npos || path_or_name.ends_with(".gguf"))
    return path_or_name;
  auto stored = store_of(common).find(path_or_name);
  return stored ? stored->path : path_or_name;
}

}  // namespace hearth::cli
