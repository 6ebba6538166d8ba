// A loaded model in words, for `hearth status` and `hearth models load`.
#pragma once

#include <string>

#include "inference/engine_messages.h"

namespace hearth::cli {

// Some indented lines: what it takes, and what was decided when it was loaded.
std::string describe_loaded(const std::string& model, const engine::ModelFacts& facts);

}  // namespace hearth::cli
