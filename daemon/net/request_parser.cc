// Boost 1.81's parser predates several fixes and is lenient on purpose; what it lets through is
// refused by hand here:
//   Content-Length beside Transfer-Encoding, in any order; either of them twice
//   any transfer coding but a single "chunked" ("identity" means: until the connection closes)
//   line ends that are not CR LF, folded header lines
//   a length that is more than digits ("5, 5")
//   trailers as headers: request() is filled before the body, so they are dropped
//   chunk extensions and trailers without an end: bounded like the head
#include "net/request_parser.h"

#include <fmt/format.h>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

namespace hearth::transport {

namespace http = boost::beast::http;

struct RequestParser::Impl {
  http::request_parser<http::string_body> parser;
};

namespace {

// The offset of the first byte that breaks the rule "lines end in CR LF and start with no blank",
// looking at bytes from `start` on; npos when all is well so far.
size_t find_bad_line_end(std::string_view head, size_t start) {
  for (size_t i = start; i < head.size(); ++i) {
    char before = i > 0 ? head[i - 1] : '\0';
    bool is_bare = (head[i] == '\n') != (before == '\r');
    bool is_folded = before == '\n' && (head[i] == ' ' || head[i] == '\t');
    if (is_bare || is_folded || head[i] == '\0') return i;
  }
  return std::string_view::npos;
}

Refusal refusal_of(const boost::system::error_code& error, size_t max_head, size_t max_body) {
  if (error == http::error::header_limit)
    return {431, fmt::format("the head of the request is larger than {} bytes", max_head)};
  if (error == http::error::body_limit)
    return {413, fmt::format("the body is larger than {} bytes", max_body)};
  return {400, fmt::format("malformed request: {}", error.message())};
}

}  // namespace

RequestParser::RequestParser(size_t max_head_bytes, size_t max_body_bytes)
    : max_head_bytes_(max_head_bytes),
      max_body_bytes_(max_body_bytes),
      impl_(std::make_unique<Impl>()) {
  impl_->parser.header_limit(static_cast<uint32_t>(max_head_bytes));
  impl_->parser.body_limit(max_body_bytes);
}

RequestParser::~RequestParser() = default;

std::optional<Refusal> RequestParser::feed(std::string& input) {
  return has_head_ ? feed_body(input) : feed_head(input);
}

std::optional<Refusal> RequestParser::feed_head(std::string& input) {
  std::string_view head(input);
  size_t end = head.find("\r\n\r\n", n_checked_ < 3 ? 0 : n_checked_ - 3);
  head = head.substr(0, end == std::string_view::npos ? end : end + 4);
  if (head.size() > max_head_bytes_)
    return refusal_of(http::error::header_limit, max_head_bytes_, max_body_bytes_);
  if (find_bad_line_end(head, n_checked_) != std::string_view::npos)
    return Refusal{400,
                   "malformed request: a line of the head does not end in CR LF, or is folded"};
  n_checked_ = head.size();
  if (end == std::string_view::npos) return std::nullopt;

  boost::system::error_code error;
  size_t n_used = impl_->parser.put(net::buffer(head), error);
  if (error) return refusal_of(error, max_head_bytes_, max_body_bytes_);
  input.erase(0, n_used);
  if (!impl_->parser.is_header_done()) return Refusal{400, "malformed request"};
  has_head_ = true;
  return check_head();
}

std::optional<Refusal> RequestParser::check_head() {
  const auto& message = impl_->parser.get();
  request_.method = std::string(message.method_string());
  for (const auto& field : message)
    request_.headers.push_back({std::string(field.name_string()), as_utf8(field.value())});

  std::string_view target(message.target().data(), message.target().size());
  if (target.empty() || target[0] != '/')
    return Refusal{400, "malformed request: expected a path that starts with /"};
  size_t question = target.find('?');
  request_.path = as_utf8(target.substr(0, question));
  if (question != std::string_view::npos) request_.query = std::string(target.substr(question + 1));

  if (message.version() != 11 && message.version() != 10)
    return Refusal{400, "malformed request: expected HTTP/1.1"};
  auto length = request_.header("Content-Length");
  if (length && (length->empty() || length->find_first_not_of("0123456789") != std::string::npos))
    return Refusal{400, "malformed request: expected a number as Content-Length"};
  size_t n_codings = request_.count("Transfer-Encoding");
  size_t n_lengths = request_.count("Content-Length");
  if (n_codings + n_lengths > 1)
    return Refusal{400,
                   "malformed request: expected one of Content-Length and Transfer-Encoding, "
                   "once"};
  if (n_codings == 1 &&
      (is_http_1_0() || !equal_ignoring_case(*request_.header("Transfer-Encoding"), "chunked")))
    return Refusal{400, "malformed request: expected Transfer-Encoding: chunked, or none"};
  return std::nullopt;
}

std::optional<Refusal> RequestParser::feed_body(std::string& input) {
  auto& parser = impl_->parser;
  parser.eager(true);
  while (!parser.is_done() && !input.empty()) {
    boost::system::error_code error;
    size_t n_used = parser.put(net::buffer(input), error);
    input.erase(0, n_used);
    if (error == http::error::need_more) break;
    if (error) return refusal_of(error, max_head_bytes_, max_body_bytes_);
    if (n_used == 0) break;
  }
  if (!parser.is_done()) {
    // What is left over is the unfinished header of a chunk, or trailers.
    if (find_bad_line_end(input, 0) != std::string_view::npos)
      return Refusal{400, "malformed request: a line of a chunk does not end in CR LF"};
    if (input.size() > max_head_bytes_)
      return Refusal{400, "malformed request: a chunk's header or the trailers have no end"};
    return std::nullopt;
  }
  request_.body = std::move(parser.get().body());
  return std::nullopt;
}

bool RequestParser::is_done() const { return impl_->parser.is_done(); }
bool RequestParser::is_keep_alive() const { return impl_->parser.keep_alive(); }
bool RequestParser::is_http_1_0() const { return impl_->parser.get().version() == 10; }

bool RequestParser::expects_continue() const {
  auto value = request_.header("Expect");
  return value && equal_ignoring_case(*value, "100-continue");
}

bool RequestParser::is_websocket_upgrade() const {
  return boost::beast::websocket::is_upgrade(impl_->parser.get());
}

}  // namespace hearth::transport
