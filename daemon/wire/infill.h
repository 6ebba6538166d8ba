// llama-server's /infill, served side: a gap in a file to be filled. Pure.
#pragma once

#include "wire/dialect.h"

namespace hearth::wire::infill {

Result<Asked, Failure> parse(std::string_view body);

}  // namespace hearth::wire::infill
