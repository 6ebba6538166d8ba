// Where models lie, for the commands that work on their files.
#pragma once

#include <string>

#include "cli/command.h"
#include "models/store.h"

namespace hearth::cli {

models::Store store_of(const Common& common);

// A model argument: a path, or the name of a stored model. What is neither stays as it is: opening
// it says what is wrong.
std::string model_path(const Common& common, const std::string& path_or_name);

}  // namespace hearth::cli
