#include "support/test_data.h"

namespace hearth::testing {

std::string data_path(std::string_view name) {
  return std::string(HEARTH_TEST_DATA "/").append(name);
}

}  // namespace hearth::testing
