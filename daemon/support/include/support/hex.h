// Bytes as two lower-case hexadecimal digits each. Thread: any.
#pragma once

#include <span>
#include <string>

namespace hearth {

std::string hex_of(std::span<const unsigned char> bytes);

}  // namespace hearth
