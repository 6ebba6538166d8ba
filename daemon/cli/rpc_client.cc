#include "cli/rpc_client.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>
#include <utility>

#include "daemon/commit.h"
#include "daemon/protocol/life.h"
#include "daemon/version.h"

namespace hearth::cli {

namespace net = boost::asio;
namespace beast = boost::beast;
using Stream = beast::websocket::stream<net::local::stream_protocol::socket, false>;

constexpr std::chrono::seconds kConnectTime{5};

struct RpcClient::State {
  net::io_context loop;
  Stream stream{loop};
  net::signal_set signals{loop};
  std::function<bool()> interrupted;
  bool is_interrupted = false;
  std::deque<std::string> notifications;
  uint64_t next_id = 1;
  size_t max_message_bytes = 0;  // that the daemon takes; 0: not known yet
  std::optional<std::chrono::steady_clock::time_point> deadline;

  void watch_signals() {
    signals.async_wait([this](boost::system::error_code failed, int) {
      if (failed) return;
      if (interrupted && !interrupted()) {
        is_interrupted = true;
        return;
      }
      watch_signals();
    });
  }

  // Waits for what was begun on the stream. Errc::cancelled: interrupted, Errc::timeout: the
  // deadline has passed; it is cancelled then, and over.
  Result<> finish(const bool& is_done) {
    loop.restart();  // it has stopped when nothing was left to wait for
    auto is_late = [this] { return deadline && std::chrono::steady_clock::now() >= *deadline; };
    while (!is_done && !is_interrupted && !is_late()) {
      if (deadline)
        loop.run_one_until(*deadline);
      else
        loop.run_one();
    }
    if (is_done) return {};
    beast::get_lowest_layer(stream).cancel();
    while (!is_done) loop.run_one();
    if (std::exchange(is_interrupted, false)) return Error{Errc::cancelled, "interrupted"};
    return Error{Errc::timeout, "no answer in time"};
  }

  Result<std::string> receive() {
    beast::flat_buffer buffer;
    boost::system::error_code failed;
    bool is_done = false;
    stream.async_read(buffer, [&](boost::system::error_code error, size_t) {
      failed = error;
      is_done = true;
    });
    if (auto finished = finish(is_done); !finished) return finished.error();
    if (failed == beast::websocket::error::closed)
      return Error{Errc::upstream, fmt::format("the daemon closed the connection ({})",
                                               std::string(stream.reason().reason.data(),
                                                           stream.reason().reason.size()))};
    if (failed)
      return Error{Errc::upstream,
                   fmt::format("the connection to the daemon broke: {}", failed.message())};
    return beast::buffers_to_string(buffer.data());
  }

  Result<> write(const json::Object& message) {
    boost::system::error_code failed;
    std::string text = boost::json::serialize(message);
    if (max_message_bytes && text.size() > max_message_bytes)
      return Error{Errc::invalid,
                   fmt::format("the message would have {} bytes, the daemon takes at most {} "
                               "([server] max_message)",
                               text.size(), max_message_bytes)};
    stream.write(net::buffer(text), failed);
    if (failed)
      return Error{Errc::upstream,
                   fmt::format("the connection to the daemon broke: {}", failed.message())};
    return {};
  }
};

Result<transport::Discovery> find_daemon(const path::Folders& folders) {
  auto daemon = transport::read_discovery(transport::discovery_path(folders.runtime));
  if (!daemon && daemon.error().code == Errc::not_found)
    return Error{Errc::not_found,
                 fmt::format("no daemon is running (no {}); start one with `hearth serve --detach`",
                             transport::discovery_path(folders.runtime))};
  return daemon;
}

std::string version_note(const transport::Discovery& daemon) {
  if (daemon.version == HEARTH_VERSION && daemon.commit == kCommit) return {};
  auto commit_of = [](std::string_view commit) {
    return commit.empty() ? "" : fmt::format(" (commit {})", commit);
  };
  return fmt::format(
      "this command is version {}{}, the daemon is {}{}: restart it with `hearth stop` and `hearth "
      "serve --detach`",
      HEARTH_VERSION, commit_of(kCommit), daemon.version, commit_of(daemon.commit));
}

RpcClient::RpcClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
RpcClient::RpcClient(RpcClient&&) noexcept = default;
RpcClient& RpcClient::operator=(RpcClient&&) noexcept = default;
RpcClient::~RpcClient() = default;

Result<RpcClient> RpcClient::connect(const transport::Discovery& daemon) {
  auto state = std::make_unique<State>();
  state->deadline = std::chrono::steady_clock::now() + kConnectTime;
  const Error hangs{
      Errc::timeout,
      fmt::format("the daemon (pid {0}) has not answered for {1} s: see `hearth logs`, or end it "
                  "with `kill -9 {0}` and start another with `hearth serve --detach`",
                  daemon.pid, kConnectTime.count())};
  boost::system::error_code failed;
  auto& socket = beast::get_lowest_layer(state->stream);
  socket.connect(net::local::stream_protocol::endpoint(daemon.socket), failed);
  if (failed)
    return Error{Errc::not_found,
                 fmt::format("no daemon answers at {} ({}); start one with `hearth serve --detach`",
                             daemon.socket, failed.message())};
  state->stream.set_option(
      beast::websocket::stream_base::decorator([&](beast::websocket::request_type& request) {
        request.set(beast::http::field::authorization, "Bearer " + daemon.token);
      }));
  state->stream.read_message_max(64u << 20);  // a snapshot of a long session
  beast::websocket::response_type response;
  bool is_done = false;
  state->stream.async_handshake(response, "localhost", "/hearth",
                                [&](boost::system::error_code error) {
                                  failed = error;
                                  is_done = true;
                                });
  if (!state->finish(is_done)) return hangs;
  if (failed)
    return Error{Errc::upstream, fmt::format("the daemon refused the connection: {} ({})",
                                             failed.message(), response.result_int())};
  RpcClient client(std::move(state));
  protocol::Initialize hello;
  hello.client = {"hearth-cli", HEARTH_VERSION};
  auto welcome = client.call<protocol::Initialized>("initialize", hello);
  if (!welcome) return welcome.error().code == Errc::timeout ? hangs : welcome.error();
  client.state_->deadline.reset();
  client.state_->max_message_bytes = static_cast<size_t>(welcome->max_message_bytes);
  return client;
}

Result<RpcClient> connect_to_daemon(const path::Folders& folders) {
  auto daemon = find_daemon(folders);
  if (!daemon) return daemon.error();
  if (std::string note = version_note(*daemon); !note.empty())
    fmt::print(stderr, "hearth: {}\n", note);
  return RpcClient::connect(*daemon);
}

Result<json::Document> RpcClient::call(std::string_view method, const json::Value& params) {
  uint64_t id = state_->next_id++;
  json::Object request{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}};
  if (auto sent = state_->write(request); !sent) return sent.error();
  for (;;) {
    auto text = state_->receive();
    if (!text) return text.error();
    auto message = json::Document::parse(*text);
    if (!message) return message.error();
    json::Element root = message->root();
    uint64_t reply_to = 0;
    if (root["id"].get_uint64().get(reply_to)) {
      state_->notifications.push_back(std::move(*text));
      continue;
    }
    if (reply_to != id) continue;  // of a send()
    std::string_view error;
    if (!root["error"]["message"].get_string().get(error))
      return Error{Errc::upstream, std::string(error)};
    return message;
  }
}

Result<> RpcClient::send(std::string_view method, const json::Value& params) {
  json::Object request{
      {"jsonrpc", "2.0"}, {"id", state_->next_id++}, {"method", method}, {"params", params}};
  return state_->write(request);
}

Result<std::string> RpcClient::next() {
  while (state_->notifications.empty()) {
    auto text = state_->receive();
    if (!text) return text.error();
    auto message = json::Document::parse(*text);
    if (!message) return message.error();
    if (message->root()["id"].error()) state_->notifications.push_back(std::move(*text));
  }
  std::string text = std::move(state_->notifications.front());
  state_->notifications.pop_front();
  return text;
}

void RpcClient::on_interrupt(std::function<bool()> interrupted) {
  state_->interrupted = std::move(interrupted);
  state_->signals.add(SIGINT);
  state_->watch_signals();
}

void RpcClient::forget_interrupt() {
  state_->signals.clear();  // gives SIGINT its default meaning back
  state_->signals.cancel();
  state_->interrupted = nullptr;
}

}  // namespace hearth::cli
