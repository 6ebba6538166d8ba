// What tokens are made of and compared by. Private to net.
#pragma once

#include <string>
#include <string_view>

#include "support/result.h"

namespace hearth::transport {

std::string sha256_hex(std::string_view text);
// In constant time for texts of one size.
bool is_equal(std::string_view a, std::string_view b);
Result<std::string> random_hex(size_t n_bytes);
bool is_hex(std::string_view text, size_t n_bytes);  // lower case, exactly so many

}  // namespace hearth::transport
