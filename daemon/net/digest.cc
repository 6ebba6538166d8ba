#include "net/digest.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include "support/hex.h"

namespace hearth::transport {

std::string sha256_hex(std::string_view text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return hex_of(digest);
}

bool is_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<std::string> random_hex(size_t n_bytes) {
  std::string bytes(n_bytes, '\0');
  if (::getrandom(bytes.data(), n_bytes, 0) != static_cast<ssize_t>(n_bytes))
    return Error{Errc::io, "cannot get random bytes from the kernel"};
  return hex_of({reinterpret_cast<const unsigned char*>(bytes.data()), n_bytes});
}

bool is_hex(std::string_view text, size_t n_bytes) {
  return text.size() == 2 * n_bytes &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace hearth::transport
