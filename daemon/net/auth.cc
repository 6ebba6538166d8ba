#include "net/auth.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "net/owned_file.h"
#include "support/file.h"
#include "support/path.h"

namespace hearth::transport {

namespace {

constexpr size_t kTokenBytes = 32;

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Digest sha256(std::string_view text) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

std::string hex(const unsigned char* bytes, size_t n_bytes) {
  std::string text;
  text.reserve(2 * n_bytes);
  for (size_t i = 0; i < n_bytes; ++i) fmt::format_to(std::back_inserter(text), "{:02x}", bytes[i]);
  return text;
}

Result<std::string> random_token() {
  unsigned char bytes[kTokenBytes];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes))
    return Error{Errc::io, "cannot get random bytes from the kernel"};
  return hex(bytes, sizeof bytes);
}

bool is_token(std::string_view text) {
  return text.size() == 2 * kTokenBytes &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::string> write_new_token(const std::string& path) {
  auto text = random_token();
  if (!text) return text;
  if (auto written = file::write_atomic(path, *text + "\n", 0600); !written) return written.error();
  return text;
}

}  // namespace

Result<Token> Token::open(std::string path) {
  auto bytes = read_owned_file(path, 4096);
  if (!bytes && bytes.error().code == Errc::not_found) {
    auto folder = path.substr(0, path.rfind('/'));
    if (auto made = path::make_private_dir(folder); !made) return made.error();
    auto text = write_new_token(path);
    if (!text) return text.error();
    return Token(std::move(path), std::move(*text));
  }
  if (!bytes) return bytes.error();
  while (!bytes->empty() && bytes->back() == '\n') bytes->pop_back();
  if (!is_token(*bytes))
    return Error{Errc::corrupt,
                 fmt::format("{}: expected {} hex digits; delete the file and a new token is made",
                             path, 2 * kTokenBytes)};
  return Token(std::move(path), std::move(*bytes));
}

bool Token::matches(std::string_view presented) const {
  Digest expected = sha256(text_);
  Digest actual = sha256(presented);
  return CRYPTO_memcmp(expected.data(), actual.data(), expected.size()) == 0;
}

Result<> Token::rotate() {
  auto text = write_new_token(path_);
  if (!text) return text.error();
  text_ = std::move(*text);
  return {};
}

std::string Token::proof(std::string_view challenge) const {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int n_bytes = 0;
  HMAC(EVP_sha256(), text_.data(), static_cast<int>(text_.size()),
       reinterpret_cast<const unsigned char*>(challenge.data()), challenge.size(), digest,
       &n_bytes);
  return hex(digest, n_bytes);
}

}  // namespace hearth::transport
