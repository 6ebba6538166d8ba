#include "net/http_responder.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "net/http_connection.h"

namespace hearth::transport {

Task<Result<>> Responder::respond(int status, std::string content_type, std::string body,
                                  Headers extra) {
  Error twice{Errc::internal, "the request has its answer already"};
  if (state_ != State::fresh) co_return twice;
  state_ = State::complete;
  extra.push_back({"Content-Length", std::to_string(body.size())});
  add_connection_headers(extra);
  std::string bytes = response_head(status, content_type, extra) + body;
  co_return co_await connection_.write(std::move(bytes));
}

Result<> Responder::begin_stream(int status, std::string content_type, Headers extra) {
  if (state_ != State::fresh) return Error{Errc::internal, "the request has its answer already"};
  state_ = State::streaming;
  if (may_chunk_) extra.push_back({"Transfer-Encoding", "chunked"});
  extra.push_back({"Cache-Control", "no-cache"});
  add_connection_headers(extra);
  head_ = response_head(status, content_type, extra);
  return {};
}

Task<Result<>> Responder::write(std::string chunk) {
  Error closed{Errc::internal, "no stream is open"};
  if (state_ != State::streaming) co_return closed;
  std::string bytes = framed(std::move(chunk));
  if (bytes.empty()) co_return Result<>{};
  co_return co_await connection_.write(std::move(bytes));
}

Task<Result<>> Responder::end(std::string chunk) {
  Error closed{Errc::internal, "no stream is open"};
  if (state_ != State::streaming) co_return closed;
  state_ = State::complete;
  std::string bytes = framed(std::move(chunk));
  if (may_chunk_) bytes += "0\r\n\r\n";
  if (bytes.empty()) co_return Result<>{};
  co_return co_await connection_.write(std::move(bytes));
}

// Behind the head, if that has not left yet. An empty chunk would be the end of the stream.
std::string Responder::framed(std::string chunk) {
  std::string bytes = std::exchange(head_, {});
  if (!may_chunk_)
    bytes += chunk;
  else if (!chunk.empty())
    fmt::format_to(std::back_inserter(bytes), "{:x}\r\n{}\r\n", chunk.size(), chunk);
  return bytes;
}

bool Responder::is_client_gone() const { return connection_.is_gone_; }

void Responder::add_connection_headers(Headers& headers) const {
  bool close = !keep_alive_ || connection_.is_ending_;
  if (close) headers.push_back({"Connection", "close"});
  if (connection_.page_.empty()) return;
  headers.push_back({"Access-Control-Allow-Origin", connection_.page_});
  headers.push_back({"Access-Control-Expose-Headers", "*"});
  headers.push_back({"Vary", "Origin"});
}

}  // namespace hearth::transport
