// Files that hold the token: worth reading only when nobody else can read or plant them.
#pragma once

#include <string>

#include "support/result.h"

namespace hearth::transport {

// Errc::not_found; Errc::denied for a symlink, another owner, or a mode that lets others in.
Result<std::string> read_owned_file(const std::string& path, size_t max_bytes);

}  // namespace hearth::transport
