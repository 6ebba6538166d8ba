// Models of random weights in the shape of real ones, for measuring speed where no download is
// wanted. They say nothing; every matrix has the size and the spread of values of a real one.
#pragma once

#include <string>
#include <string_view>

#include "gguf/convert.h"
#include "support/result.h"

namespace hearth::engine {

// "qwen2.5-0.5b", "qwen3-1.7b" or "moe-32x4"; the same name gives the same weights.
// entry_points.h has their names.
Result<gguf::ModelSource> synthetic_model(std::string_view shape);

}  // namespace hearth::engine
