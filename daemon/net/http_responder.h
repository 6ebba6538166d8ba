// Writes one answer on a connection. Lives on the frame of Connection::answer.
#pragma once

#include "net/http_message.h"

namespace hearth::transport {

class Connection;

class Responder final : public HttpResponder {
 public:
  Responder(Connection& connection, bool keep_alive, bool may_chunk)
      : connection_(connection), keep_alive_(keep_alive), may_chunk_(may_chunk) {}

  Task<Result<>> respond(int status, std::string content_type, std::string body,
                         Headers extra = {}) override;
  Result<> begin_stream(int status, std::string content_type, Headers extra = {}) override;
  Task<Result<>> write(std::string chunk) override;
  Task<Result<>> end(std::string chunk = "") override;

  bool has_started() const override { return state_ != State::fresh; }
  bool is_client_gone() const override;
  bool is_complete() const { return state_ == State::complete; }

 private:
  enum class State { fresh, streaming, complete };

  void add_connection_headers(Headers& headers) const;
  std::string framed(std::string chunk);

  Connection& connection_;
  const bool keep_alive_;
  const bool may_chunk_;  // HTTP/1.0 cannot: its streams end with the connection
  State state_ = State::fresh;
  std::string head_;  // of a stream, until something follows it
};

}  // namespace hearth::transport
