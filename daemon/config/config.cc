#include "config/config.h"

#include <algorithm>

namespace hearth {

const ModelConfig* Config::find_model(std::string_view name_or_alias) const {
  for (const ModelConfig& model : models)
    if (model.name == name_or_alias || std::ranges::count(model.aliases, name_or_alias) > 0) return &model;
  return nullptr;
}

}  // namespace hearth
