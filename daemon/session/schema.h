// What sessions.db holds.
#pragma once

#include "storage/database_file.h"

namespace hearth::session {

// Its subject also names the lock of the folder.
storage::Schema schema();

}  // namespace hearth::session
