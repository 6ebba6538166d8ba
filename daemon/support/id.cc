#include "support/id.h"

#include <sys/random.h>

#include <array>
#include <cstdint>

#include "support/hex.h"

namespace hearth {

std::string make_id(std::string_view prefix) {
  std::array<uint8_t, 12> bytes{};
  // Never short and never interrupted for up to 256 bytes once the pool is ready (getrandom(2)).
  [[maybe_unused]] ssize_t n = ::getrandom(bytes.data(), bytes.size(), 0);
  std::string id(prefix);
  id += '-';
  return id += hex_of(bytes);
}

}  // namespace hearth
