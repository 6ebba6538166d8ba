#include "net/http_responder.h"

#include <fmt/format.h>

#include "net/http_connection.h"

namespace hearth::transport {

Task<Result<>> Responder::respond(int status, std::string content_type, std::string body,
                                  Headers extra) {
  Error twice{Errc::internal, "the request has its answer already"};
  if (state_ != State::fresh) co_return twice;
  state_ = State::complete;
  extra.push_back({"Content-Length", std::to_string(body.size())});
  add_connection_header(extra);
  std::string bytes = response_head(status, content_type, extra) + body;
  co_return co_await connection_.write(std::move(bytes));
}

Task<Result<>> Responder::begin_stream(int status, std::string content_type, Headers extra) {
  Error twice{Errc::internal, "the request has its answer already"};
  if (state_ != State::fresh) co_return twice;
  state_ = State::streaming;
  if (may_chunk_) extra.push_back({"Transfer-Encoding", "chunked"});
  extra.push_back({"Cache-Control", "no-cache"});
  add_connection_header(extra);
  co_return co_await connection_.write(response_head(status, content_type, extra));
}

Task<Result<>> Responder::write(std::string chunk) {
  Error closed{Errc::internal, "no stream is open"};
  if (state_ != State::streaming) co_return closed;
  if (chunk.empty()) co_return Result<>{};  // an empty chunk would be the end
  if (may_chunk_) chunk = fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
  co_return co_await connection_.write(std::move(chunk));
}

Task<Result<>> Responder::end() {
  Error closed{Errc::internal, "no stream is open"};
  if (state_ != State::streaming) co_return closed;
  state_ = State::complete;
  if (!may_chunk_) co_return Result<>{};
  co_return co_await connection_.write("0\r\n\r\n");
}

bool Responder::is_client_gone() const { return connection_.is_gone_; }

void Responder::add_connection_header(Headers& headers) const {
  bool close = !keep_alive_ || connection_.is_ending_;
  if (close) headers.push_back({"Connection", "close"});
}

}  // namespace hearth::transport
