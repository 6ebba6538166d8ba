// One HTTP/1.1 request out of bytes, without I/O: feed() until is_done(). Stricter than the library
// below it wherever two readers of one text could disagree on where a request ends (smuggling).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/http_message.h"

namespace hearth::transport {

class RequestParser {
 public:
  RequestParser(size_t max_head_bytes, size_t max_body_bytes);
  ~RequestParser();

  // Takes what it understands from the front of `input`: first the head, and only when called again
  // the body. After a refusal the connection cannot be used again: nobody knows where it stands.
  std::optional<Refusal> feed(std::string& input);

  bool has_head() const { return has_head_; }
  bool is_done() const;

  // Filled when has_head(); the body when is_done().
  HttpRequest& request() { return request_; }
  const HttpRequest& request() const { return request_; }

  bool is_keep_alive() const;
  bool is_http_1_0() const;
  bool expects_continue() const;
  bool is_websocket_upgrade() const;

 private:
  struct Impl;

  std::optional<Refusal> feed_head(std::string& input);
  std::optional<Refusal> feed_body(std::string& input);
  std::optional<Refusal> check_head();

  size_t max_head_bytes_;
  size_t max_body_bytes_;
  size_t n_checked_ = 0;  // bytes of the head whose line ends are known to be right
  bool has_head_ = false;
  HttpRequest request_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hearth::transport
