// Identifiers that clients see: a prefix and 96 random bits, "req-1f0c...".
#pragma once

#include <string>
#include <string_view>

namespace hearth {

std::string make_id(std::string_view prefix);

}  // namespace hearth
