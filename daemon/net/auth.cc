#include "net/auth.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "net/digest.h"
#include "net/owned_file.h"
#include "support/file.h"
#include "support/hex.h"
#include "support/path.h"

namespace hearth::transport {

namespace {

constexpr size_t kTokenBytes = 32;

Result<> write_token(const std::string& path, const std::string& text) {
  return file::write_atomic(path, text + "\n", 0600);
}

Result<std::string> write_new_token(const std::string& path) {
  auto text = random_hex(kTokenBytes);
  if (!text) return text;
  if (auto written = write_token(path, *text); !written) return written.error();
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
  if (!is_hex(*bytes, kTokenBytes))
    return Error{Errc::corrupt,
                 fmt::format("{}: expected {} hex digits; delete the file and a new token is made",
                             path, 2 * kTokenBytes)};
  return Token(std::move(path), std::move(*bytes));
}

bool Token::matches(std::string_view presented) const {
  return is_equal(sha256_hex(text_), sha256_hex(presented));
}

Result<> Token::rotate(const std::function<Result<>(const std::string& text)>& announce) {
  auto text = write_new_token(path_);
  if (!text) return text.error();
  if (auto told = announce(*text); !told) {
    // If not even this can be written the new one is in force from the next start on, which
    // announces it.
    (void)write_token(path_, text_);
    return told;
  }
  text_ = std::move(*text);
  return {};
}

std::string Token::proof(std::string_view challenge) const {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int n_bytes = 0;
  HMAC(EVP_sha256(), text_.data(), static_cast<int>(text_.size()),
       reinterpret_cast<const unsigned char*>(challenge.data()), challenge.size(), digest,
       &n_bytes);
  return hex_of({digest, n_bytes});
}

}  // namespace hearth::transport
