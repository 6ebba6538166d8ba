// Whole UTF-8 out of bytes that arrive in any pieces.
#pragma once

#include <string>

namespace hearth::engine {

// Moves what is decided at the front of `bytes` to the end of `text`: whole sequences as they are,
// each maximal malformed part as U+FFFD. A sequence that may still be completed stays in `bytes`
// (3 bytes at most), unless `at_end`.
void move_whole_utf8(std::string& bytes, std::string& text, bool at_end = false);

}  // namespace hearth::engine
