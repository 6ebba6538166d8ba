// Any bytes as hearth.toml: refused with a place, or read; and what is read can be printed and read
// again without a difference.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/config.h"

using namespace hearth;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto config = parse_config(text, "fuzz.toml");
  if (!config) {
    if (!config.error().message.starts_with("fuzz.toml:")) std::abort();
    return 0;
  }
  std::string printed = to_toml(*config);
  auto again = parse_config(printed, "fuzz.toml");
  if (!again || to_toml(*again) != printed) std::abort();
  return 0;
}
