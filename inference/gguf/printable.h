// Text from a hostile file, made safe for a message: printable ASCII, of bounded length.
#pragma once

#include <string>
#include <string_view>

namespace hearth::gguf {

// Other bytes become \xNN; what is longer than max_bytes is cut and ends in "...".
std::string printable(std::string_view text, size_t max_bytes = 80);

}  // namespace hearth::gguf
