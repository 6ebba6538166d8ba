// Licence notices that stand at the head of files everywhere: no evidence of where a text is from.
//
// Pure; any thread.
#pragma once

#include "privacy/shingles.h"

namespace hearth::router {

bool is_boilerplate(Fingerprint key);

}  // namespace hearth::router
