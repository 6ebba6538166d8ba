// Where models lie, for the commands that work on their files.
#pragma once

#include <string>

#include "cli/command.h"
#include "models/store.h"
#include "support/result.h"

namespace hearth::cli {

models::Store store_of(const Common& common);

// A model argument: a path, or the name of a stored model. A path may be of a file that is not
// there: opening it says so. Errc::not_found: a name that is neither.
Result<std::string> model_path(const Common& common, const std::string& path_or_name);

}  // namespace hearth::cli
