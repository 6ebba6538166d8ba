#include "privacy/text_key.h"

#include <openssl/evp.h>
#include <sys/random.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "support/hex.h"

namespace hearth::router {

namespace {

std::array<uint64_t, 6> random_key() {
  std::array<uint64_t, 6> key{};
  if (::getrandom(key.data(), sizeof key, 0) != sizeof key) std::abort();
  for (uint64_t& part : key) part |= 1;
  return key;
}

uint64_t fold(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t word_at(const char* data) {
  uint64_t word = 0;
  std::memcpy(&word, data, sizeof word);
  return word;
}

}  // namespace

// Multiply and fold, two lanes that see the words under other keys.
TextKey text_key(std::string_view text) {
  static const std::array<uint64_t, 6> key = random_key();
  uint64_t a = key[0] ^ text.size(), b = key[1] + text.size();
  const char* data = text.data();
  size_t left = text.size();
  for (; left >= 16; data += 16, left -= 16) {
    const uint64_t one = word_at(data), two = word_at(data + 8);
    a = fold(a ^ one ^ key[2], two ^ key[3]);
    b = fold(b ^ two ^ key[4], one ^ key[5]);
  }
  char rest[16] = {};
  if (left > 0) std::memcpy(rest, data, left);
  const uint64_t one = word_at(rest), two = word_at(rest + 8);
  a = fold(a ^ one ^ key[2], two ^ key[3]);
  b = fold(b ^ two ^ key[4], one ^ key[5]);
  return {fold(a ^ key[4], key[5]), fold(b ^ key[2], key[3])};
}

std::string text_digest(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned n = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &n, EVP_sha256(), nullptr) != 1)
    std::abort();  // out of memory
  return hex_of(std::span(digest).first(16));
}

}  // namespace hearth::router
