// HTTP as handlers see it: a whole request, and a way to answer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/result.h"
#include "support/task.h"

namespace hearth::transport {

struct ClientToken;

struct Header {
  std::string name;
  std::string value;
};
using Headers = std::vector<Header>;

struct HttpRequest {
  std::string method;
  std::string path;   // as sent, without the query
  std::string query;  // as sent, without '?'
  Headers headers;
  std::string body;
  uint64_t client_id = 0;  // unique per connection for the life of the daemon
  std::string remote;      // for logs
  // The named token that it came with (client_tokens.h); null: the owner's.
  std::shared_ptr<const ClientToken> client;

  // The first header of that name (letter case ignored), or nothing.
  std::optional<std::string_view> header(std::string_view name) const;
  size_t count(std::string_view name) const;
};

// Answers one request: either respond(), or begin_stream(), write()..., end(). A handler that
// returns without an answer gets a 500, one that leaves a stream open gets its connection cut, so
// that the client sees a broken stream and not a short one.
//
// When the client goes away the handler's coroutine is cancelled where it waits; a write() returns
// Errc::cancelled. Lives on the loop thread, as long as the handler runs.
class HttpResponder {
 public:
  virtual ~HttpResponder() = default;

  virtual Task<Result<>> respond(int status, std::string content_type, std::string body,
                                 Headers extra = {}) = 0;

  // A body of unknown length, in chunked transfer coding. The head leaves with what is written
  // next.
  virtual Result<> begin_stream(int status, std::string content_type, Headers extra = {}) = 0;
  // Returns when the kernel has taken the bytes: a slow reader slows its own handler. "" is no
  // chunk, but sends the head.
  virtual Task<Result<>> write(std::string chunk) = 0;
  // With a last chunk, in one piece.
  virtual Task<Result<>> end(std::string chunk = "") = 0;

  virtual bool has_started() const = 0;  // the status line is on its way
  virtual bool is_client_gone() const = 0;
};

using HttpHandler = std::function<Task<>(HttpRequest, HttpResponder&)>;

// Why a request is not served; becomes an error_body().
struct Refusal {
  int status = 400;
  std::string message;
  Headers headers = {};
};

// {"type": "error", "error": {"message", "type", "param": null, "code"}}: what OpenAI's clients
// understand and Anthropic's too, since nobody knows yet which one asks.
std::string error_body(int status, std::string_view message);

// Beside such a body: that Hearth itself speaks, and an id by the names that OpenAI's and
// Anthropic's clients look for.
Headers error_headers(std::string_view request_id);

// Text as it is, where it is UTF-8; else every byte as the Latin-1 character that HTTP once said it
// is. What clients send in a head goes into JSON, records and logs.
std::string as_utf8(std::string_view text);

// "%2F" is "/"; what is no such pair stays as it is. UTF-8 always.
std::string percent_decoded(std::string_view text);

// Status line and headers, up to and including the blank line.
std::string response_head(int status, std::string_view content_type, const Headers& extra);

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace hearth::transport
