// Where the committed data of the tests lies.
#pragma once

#include <string>
#include <string_view>

namespace hearth::testing {

// tests/data/NAME as an absolute path.
std::string data_path(std::string_view name);

}  // namespace hearth::testing
