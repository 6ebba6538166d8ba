#include "net/http_connection.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include "net/http_responder.h"
#include "support/id.h"
#include "support/log.h"

namespace hearth::transport {

namespace {

constexpr size_t kHeadReadBytes = 4 << 10;
constexpr size_t kBodyReadBytes = 64 << 10;
const Refusal kNobodyToAnswer{0, ""};

// A handler's mistake ends its request and nothing else; a cancelled handler has made none.
Task<> contain(std::string path, std::function<Task<>()> handle) {
  try {
    co_await handle();
  } catch (const boost::system::system_error& error) {
    if (error.code() != net::error::operation_aborted)
      log::error("handler failed", {{"path", path}, {"error", error.what()}});
  } catch (const std::exception& error) {
    log::error("handler failed", {{"path", path}, {"error", error.what()}});
  }
}

}  // namespace

Connection::Connection(HttpServer& server, Socket socket, Peer peer, uint64_t client_id)
    : server_(server),
      options_(server.options()),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      client_id_(client_id),
      timer_(socket_.get_executor(), Clock::time_point::max()),
      tasks_(socket_.get_executor()) {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
}

Task<> Connection::run() {
  // A cancelled connection still waits for its own tasks: the socket is closed, so nothing lasts.
  co_await net::this_coro::throw_if_cancelled(false);
  tasks_.spawn("connection deadline", watch_deadline());
  co_await serve_requests();
  cut();
  co_await tasks_.join();
}

Task<> Connection::serve_requests() {
  while (!is_ending_) {
    bool goes_on = co_await serve_request();
    if (!goes_on) break;
    is_idle_ = true;
    is_first_ = false;
  }
  // Here and not in serve_request(): a WebSocket can be idle for days, and the parser need not wait
  // beside it.
  if (upgrade_)
    co_await upgrade();
  else if (!is_gone_)
    co_await linger();
}

Task<bool> Connection::serve_request() {
  RequestParser parser(options_.max_head_bytes, options_.max_body_bytes);
  std::optional<Refusal> refusal = co_await read_head(parser);
  HttpRequest& request = parser.request();
  request.client_id = client_id_;
  request.remote = peer_.description;

  const HttpServer::Route* route = server_.find(request);
  if (!refusal) refusal = admit(parser, route);
  bool is_upgrade = !refusal && route->websocket && parser.is_websocket_upgrade();
  if (!refusal && !is_upgrade) refusal = co_await read_body(parser);
  if (refusal) {
    co_await refuse(std::move(*refusal));
    co_return false;
  }
  if (is_upgrade) {
    upgrade_.emplace(Upgrade{route->websocket, std::move(request)});
    co_return false;
  }
  co_return co_await answer(route->methods.find(request.method)->second, parser);
}

// The deadline starts with the first byte of a request (with the connection, for its first one);
// before that the connection is idle, and closed without a word when it has been so for too long.
Task<std::optional<Refusal>> Connection::read_head(RequestParser& parser) {
  bool has_begun = is_first_;
  set_deadline(has_begun ? options_.head_deadline : options_.idle_deadline);
  std::optional<Refusal> refusal;
  while (!refusal && !parser.has_head()) {
    if (!input_.empty()) {
      is_idle_ = false;
      refusal = parser.feed(input_);
      if (refusal || parser.has_head()) break;
      if (!has_begun) set_deadline(options_.head_deadline);
      has_begun = true;
    }
    if (co_await read_more(kHeadReadBytes)) continue;
    refusal = is_timed_out_ && has_begun ? Refusal{408, "the head of the request took too long"}
                                         : kNobodyToAnswer;
  }
  is_idle_ = false;
  clear_deadline();
  co_return refusal;
}

Task<std::optional<Refusal>> Connection::read_body(RequestParser& parser) {
  if (parser.expects_continue() && !parser.is_done() && input_.empty())
    if (auto written = co_await write("HTTP/1.1 100 Continue\r\n\r\n"); !written)
      co_return kNobodyToAnswer;
  set_deadline(options_.body_deadline);
  std::optional<Refusal> refusal = parser.feed(input_);
  while (!refusal && !parser.is_done()) {
    if (co_await read_more(kBodyReadBytes))
      refusal = parser.feed(input_);
    else
      refusal =
          is_timed_out_ ? Refusal{408, "the body of the request took too long"} : kNobodyToAnswer;
  }
  clear_deadline();
  co_return refusal;
}

// False: no more bytes will come, or the deadline has passed.
Task<bool> Connection::read_more(size_t max_bytes) {
  // No room is held while nothing comes; an empty string that is assigned would leave it.
  if (input_.empty()) std::string().swap(input_);
  for (;;) {
    auto [error] = co_await socket_.async_wait(Socket::wait_read, as_result);
    size_t n_bytes = 0;
    if (!error) {
      const size_t old_size = input_.size();
      input_.resize(old_size + max_bytes);
      n_bytes = socket_.read_some(net::buffer(input_.data() + old_size, max_bytes), error);
      input_.resize(old_size + n_bytes);
    }
    if (error == net::error::would_block) continue;
    if (error && error != net::error::operation_aborted) is_gone_ = true;
    co_return !error && !is_timed_out_;
  }
}

// Who it is comes before what it wants: strangers do not learn which paths exist.
std::optional<Refusal> Connection::admit(RequestParser& parser, const HttpServer::Route* route) {
  HttpRequest& request = parser.request();
  page_ = server_.gate_.page_of(request);
  if (auto refusal = server_.gate_.check(request, peer_)) return refusal;
  client_ = request.client;
  if (client_ && (!route || route->access == Access::owner))
    return Refusal{403, fmt::format("the token \"{}\" is for model requests (/v1/...): {} is the "
                                    "owner's alone",
                                    client_->name, request.path)};
  if (!route) return Refusal{404, fmt::format("no such path: {}", request.path)};
  if (route->websocket && parser.is_websocket_upgrade()) {
    if (input_.empty()) return std::nullopt;
    return Refusal{400, "expected nothing behind the upgrade request before its answer"};
  }
  if (route->methods.contains(request.method)) return std::nullopt;
  if (route->methods.empty()) return Refusal{426, "expected a WebSocket upgrade"};
  std::string allowed;
  for (const auto& [method, handler] : route->methods)
    allowed += (allowed.empty() ? "" : ", ") + method;
  return Refusal{405,
                 fmt::format("{} is not allowed here, {} is", request.method, allowed),
                 {{"Allow", allowed}}};
}

Task<> Connection::refuse(Refusal refusal) {
  if (refusal.status == kNobodyToAnswer.status) co_return;
  if (refusal.status == 401 && !co_await wait_penalty())
    refusal = Refusal{429, "too many wrong tokens", {{"Retry-After", "1"}}};
  const std::string id = make_id("req");
  log::info("request refused", {{"id", id},
                                {"remote", peer_.description},
                                {"status", refusal.status},
                                {"why", refusal.message}});
  Headers headers = error_headers(id);
  headers.insert(headers.end(), refusal.headers.begin(), refusal.headers.end());
  Responder responder(*this, false, false);
  std::string body = error_body(refusal.status, refusal.message);
  (void)co_await responder.respond(refusal.status, "application/json", std::move(body),
                                   std::move(headers));
}

// False: too many others are waiting already.
Task<bool> Connection::wait_penalty() {
  auto penalty = server_.gate_.begin_penalty(Clock::now());
  if (!penalty) co_return false;
  net::steady_timer wait(socket_.get_executor(), *penalty);
  if (penalty->count() > 0) co_await wait.async_wait(as_result);
  server_.gate_.end_penalty();
  co_return true;
}

Task<bool> Connection::answer(const HttpHandler& handler, RequestParser& parser) {
  using namespace net::experimental::awaitable_operators;
  bool keep_alive = parser.is_keep_alive() && !parser.is_http_1_0();
  Responder responder(*this, keep_alive, !parser.is_http_1_0());
  std::string path = parser.request().path;
  auto handle = [&] { return handler(std::move(parser.request()), responder); };
  Task<> handling = contain(path, handle);
  Task<> watching = watch_for_close();
  co_await (std::move(handling) || std::move(watching));
  if (!responder.has_started() && !is_gone_) {
    std::string body = error_body(500, "the handler gave no answer");
    Headers headers = error_headers(make_id("req"));
    (void)co_await responder.respond(500, "application/json", std::move(body), std::move(headers));
  }
  log::debug("request", {{"remote", peer_.description}, {"path", path}, {"gone", is_gone_}});
  if (!responder.is_complete()) cut();  // a broken stream, not a short one
  co_return responder.is_complete() && keep_alive && !is_gone_;
}

// Ends when the peer is gone, which cancels the handler. Bytes that arrive meanwhile belong to the
// next request; with a head's worth of them in hand we stop looking.
Task<> Connection::watch_for_close() {
  while (input_.size() < options_.max_head_bytes)
    if (!co_await read_more(kHeadReadBytes)) co_return;
  net::steady_timer never(socket_.get_executor(), Clock::time_point::max());
  co_await never.async_wait(as_result);
}

Task<> Connection::upgrade() {
  WebSocketOptions options;
  options.max_message_bytes = options_.max_message_bytes;
  options.handshake_deadline = options_.head_deadline;
  options.ping_interval = options_.ws_ping_interval;
  options.dead_after = options_.ws_dead_after;
  options.write_deadline = options_.write_deadline;
  options.close_deadline = options_.linger;
  websocket_ = make_websocket(std::move(socket_), options);
  input_ = std::string();
  timer_.cancel();  // there is no deadline left to watch
  auto accepted = co_await websocket_->accept(upgrade_->request);
  if (accepted) {
    std::string path = upgrade_->request.path;
    log::debug("websocket open", {{"path", path}, {"remote", peer_.description}});
    std::function<Task<>()> handle = [this] {
      return upgrade_->handler(std::move(upgrade_->request), *websocket_);
    };
    co_await contain(std::move(path), std::move(handle));
  }
  co_await websocket_->finish();
}

// Closing while the peer still sends makes the kernel throw away what we have said: the peer would
// see a reset and not its refusal. So: stop talking, listen a moment, then close.
Task<> Connection::linger() {
  boost::system::error_code error;
  socket_.shutdown(Socket::shutdown_send, error);
  if (error) co_return;
  set_deadline(options_.linger);
  for (size_t n_heard = 0; n_heard < options_.max_body_bytes; n_heard += input_.size()) {
    input_.clear();
    if (!co_await read_more(kBodyReadBytes)) co_return;
  }
}

Task<Result<>> Connection::write(std::string bytes) {
  Error gone{Errc::cancelled, "the client is gone"};
  if (is_gone_) co_return gone;
  set_deadline(options_.write_deadline);
  auto [error, n_bytes] = co_await net::async_write(socket_, net::buffer(bytes), as_result);
  clear_deadline();
  if (!error) co_return Result<>{};
  is_gone_ = true;
  co_return gone;
}

Task<> Connection::watch_deadline() {
  while (socket_.is_open()) {
    timer_.expires_at(deadline_);
    co_await timer_.async_wait(as_result);
    if (Clock::now() < deadline_) continue;
    is_timed_out_ = true;
    clear_deadline();
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }
}

// Later deadlines cost nothing: the timer goes off early, looks, and waits again.
void Connection::set_deadline(std::chrono::milliseconds from_now) {
  is_timed_out_ = false;
  deadline_ = Clock::now() + from_now;
  if (deadline_ < timer_.expiry()) timer_.cancel();
}

void Connection::ask_to_end(uint16_t close_code, const char* reason) {
  is_ending_ = true;
  if (websocket_) return websocket_->close(close_code, reason);
  if (is_idle_) cut();
}

void Connection::cut() {
  if (websocket_) websocket_->cut();
  is_gone_ = true;
  boost::system::error_code ignored;
  if (socket_.is_open()) socket_.close(ignored);
  timer_.cancel();
}

}  // namespace hearth::transport
