#include "net/beast_websocket.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "support/log.h"
#include "support/task_group.h"

namespace hearth::transport {

namespace {

namespace http = boost::beast::http;
namespace ws = boost::beast::websocket;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kSubprotocol = "hearth";

bool offers_subprotocol(const HttpRequest& request) {
  auto offered = request.header("Sec-WebSocket-Protocol");
  if (!offered) return false;
  for (std::string_view item : http::token_list(*offered))
    if (item == kSubprotocol) return true;
  return false;
}

class BeastWebSocket final : public AcceptedWebSocket {
 public:
  BeastWebSocket(Socket socket, WebSocketOptions options)
      : options_(options),
        stream_(std::move(socket)),
        timer_(stream_.get_executor()),
        sent_(stream_.get_executor(), Clock::time_point::max()),
        tasks_(stream_.get_executor()) {}

  Task<Result<>> accept(const HttpRequest& request) override {
    http::request<http::empty_body> upgrade(http::verb::get, request.path, 11);
    for (const Header& header : request.headers) upgrade.insert(header.name, header.value);
    stream_.read_message_max(options_.max_message_bytes);
    stream_.auto_fragment(false);
    bool echo = offers_subprotocol(request);
    stream_.set_option(ws::stream_base::decorator([echo](ws::response_type& response) {
      if (echo) response.set(http::field::sec_websocket_protocol, kSubprotocol);
    }));
    stream_.control_callback(
        [this](ws::frame_type kind, boost::beast::string_view) { hear_control(kind); });
    heard_ = Clock::now();
    timer_.expires_after(options_.handshake_deadline);
    tasks_.spawn("websocket heartbeat", keep_watch());
    auto [error] = co_await stream_.async_accept(upgrade, as_result);
    if (error) {
      Error failed{Errc::invalid, "WebSocket handshake: " + error.message()};
      co_return failed;
    }
    is_open_ = true;
    if (is_closing_)  // asked for while the peer had our answer and we did not know yet
      start_goodbye();
    else
      timer_.expires_after(options_.ping_interval);
    co_return Result<>{};
  }

  Task<Result<std::string>> receive() override {
    std::string text;
    auto buffer = net::dynamic_buffer(text);
    auto [error, n_bytes] = co_await stream_.async_read(buffer, as_result);
    if (error || is_closing_) {
      Error over{Errc::cancelled, "connection closed: " + error.message()};
      co_return over;
    }
    heard_ = Clock::now();
    if (!stream_.got_text()) {
      close(kCloseUnsupportedData, "only text messages are understood");
      Error over{Errc::cancelled, "connection closed: binary message"};
      co_return over;
    }
    co_return text;
  }

  Task<Result<>> send(std::shared_ptr<const std::string> text) override {
    Error over{Errc::cancelled, "connection closed"};
    if (has_said_goodbye_ || !is_open_) co_return over;
    send_started_ = Clock::now();
    auto [error, n_bytes] = co_await stream_.async_write(net::buffer(*text), as_result);
    send_started_.reset();
    sent_.cancel();
    if (error) co_return over;
    co_return Result<>{};
  }

  void close(uint16_t code, std::string reason) override {
    if (is_closing_) return;
    is_closing_ = true;
    goodbye_ = ws::close_reason(static_cast<ws::close_code>(code), reason);
    if (is_open_) start_goodbye();
  }

  void close_after(std::function<bool()> has_unsent) override {
    has_unsent_ = std::move(has_unsent);
    sent_.cancel();
  }

  void cut() override {
    boost::system::error_code ignored;
    stream_.next_layer().close(ignored);
    is_over_ = true;
    timer_.cancel();
    sent_.cancel();
  }

  Task<> finish() override {
    if (!is_open_) cut();
    close(kCloseNormal, "");
    co_await tasks_.join();
  }

 private:
  // One timer, moved by whoever needs an earlier look: first the deadline of the handshake, then
  // the heartbeat, in the end the deadline of the goodbye.
  Task<> keep_watch() {
    while (!is_over_) {
      auto expiry = timer_.expiry();
      co_await timer_.async_wait(as_result);
      if (is_over_) co_return;
      if (timer_.expiry() != expiry) continue;  // moved while we waited
      if (is_closing_ || !is_open_ || is_dead()) {
        cut();
        co_return;
      }
      n_pings_heard_ = 0;
      if (!is_pinging_ && !send_started_) tasks_.spawn("websocket ping", ping());
      timer_.expires_after(options_.ping_interval);
    }
  }

  bool is_dead() const {
    auto now = Clock::now();
    return now - heard_ > options_.dead_after ||
           (send_started_ && now - *send_started_ > options_.write_deadline);
  }

  Task<> ping() {
    is_pinging_ = true;
    ws::ping_data nothing;
    co_await stream_.async_ping(nothing, as_result);
    is_pinging_ = false;
  }

  void start_goodbye() {
    timer_.expires_after(options_.close_deadline);
    tasks_.spawn("websocket close", say_goodbye());
  }

  Task<> say_goodbye() {
    while (!is_over_ && has_unsent_ && has_unsent_()) co_await sent_.async_wait(as_result);
    has_said_goodbye_ = true;
    if (!is_over_) co_await stream_.async_close(goodbye_, as_result);
    cut();
  }

  void hear_control(ws::frame_type kind) {
    heard_ = Clock::now();
    if (kind == ws::frame_type::ping && ++n_pings_heard_ > options_.max_pings)
      close(kClosePolicy, "too many pings");
  }

  const WebSocketOptions options_;
  ws::stream<Socket, false> stream_;  // false: no permessage-deflate
  net::steady_timer timer_;
  net::steady_timer sent_;  // never expires; cancelled when something was sent
  std::function<bool()> has_unsent_;
  Clock::time_point heard_;
  std::optional<Clock::time_point> send_started_;
  ws::close_reason goodbye_;
  int n_pings_heard_ = 0;
  bool is_open_ = false;     // the handshake is done
  bool is_pinging_ = false;  // ours is waiting for the socket
  bool is_closing_ = false;  // a goodbye is under way
  bool has_said_goodbye_ = false;
  bool is_over_ = false;  // the socket is closed
  TaskGroup tasks_;
};

}  // namespace

std::unique_ptr<AcceptedWebSocket> make_websocket(Socket socket, WebSocketOptions options) {
  return std::make_unique<BeastWebSocket>(std::move(socket), options);
}

}  // namespace hearth::transport
