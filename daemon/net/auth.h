// The daemon's bearer token: 256 random bits in an owner-only file, the same across restarts until
// rotated. Loopback is not an authentication method, so every transport asks for it.
// Lives on the loop thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "support/result.h"

namespace hearth::transport {

class Token {
 public:
  // Reads the token file, or makes it. A file that others can read, that belongs to someone else
  // or that is a symlink is Errc::denied; the message names the file and the fix.
  static Result<Token> open(std::string path);

  // Constant time in `presented`, whatever its length.
  bool matches(std::string_view presented) const;

  // Replaces the token, in the file first. `announce` tells clients the new one before it is in
  // force; when it fails the old one stays. Callers then end the connections that the old one let
  // in (HttpServer::drop_clients).
  Result<> rotate(const std::function<Result<>(const std::string& text)>& announce);

  // HMAC-SHA256(token, challenge) as hex: lets a client learn that it talks to the daemon it means
  // before it sends the token (GET /healthz with the header x-hearth-challenge: `proof`).
  std::string proof(std::string_view challenge) const;

  // 64 hex digits. For the discovery file and nothing else; never logged.
  const std::string& text() const { return text_; }

 private:
  Token(std::string path, std::string text) : path_(std::move(path)), text_(std::move(text)) {}

  std::string path_;
  std::string text_;
};

}  // namespace hearth::transport
