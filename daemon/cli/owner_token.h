// The owner's token, for commands that hand it on to a client.
#pragma once

#include <string>

#include "cli/command.h"
#include "support/result.h"

namespace hearth::cli {

// Made when there is none yet, as the daemon would.
Result<std::string> owner_token(const Common& common);

}  // namespace hearth::cli
