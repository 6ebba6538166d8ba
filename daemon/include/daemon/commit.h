// What this program was built from.
#pragma once

namespace hearth {

extern const char* const kCommit;  // 12 hex digits, or "unknown": no git, no repository
extern const char* const kBuild;   // compiler and kind of build

}  // namespace hearth
