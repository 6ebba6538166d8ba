// HTTP/1.1 and WebSocket server: routes, limits, admission, shutdown.
//
//   HttpServer server(executor, gate, HttpOptions{});
//   server.route("POST", "/v1/chat/completions", handler);
//   server.websocket("/hearth", rpc_handler);
//   server.serve(std::move(*listener));
//   ...
//   co_await server.stop(std::chrono::seconds(5));
//
// Lives on the loop thread. Every connection is a task of the server's group; stop() joins them
// all and must have returned before the server dies.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/gate.h"
#include "net/http_message.h"
#include "net/listener.h"
#include "net/websocket.h"
#include "support/task_group.h"

namespace hearth::transport {

struct HttpOptions {
  size_t max_head_bytes = 8 << 10;      // 431 above
  size_t max_body_bytes = 32u << 20;    // 413 above
  size_t max_message_bytes = 4u << 20;  // WebSocket; 1009 above
  size_t max_connections = 1024;        // 503 above
  std::chrono::milliseconds head_deadline{10'000};
  std::chrono::milliseconds body_deadline{60'000};
  std::chrono::milliseconds idle_deadline{300'000};  // between requests of one connection
  std::chrono::milliseconds write_deadline{30'000};  // a client that takes no byte for so long
  std::chrono::milliseconds linger{1'000};           // for a refused client to read its refusal
  std::chrono::milliseconds accept_pause{100};       // when descriptors run out
  std::chrono::milliseconds ws_ping_interval{10'000};
  std::chrono::milliseconds ws_dead_after{30'000};  // without a byte from the peer
};

class Connection;

// Who may use a route: the owner alone, or also clients with a named token.
enum class Access : uint8_t { clients, owner };

class HttpServer {
 public:
  HttpServer(net::any_io_executor executor, Gate& gate, HttpOptions options);
  ~HttpServer();

  // Routes are exact paths, set before serve(), or end in "/*": whatever is below.
  void route(std::string method, std::string path, HttpHandler handler,
             Access access = Access::clients);
  void websocket(std::string path, WebSocketHandler handler);  // the owner's

  // Accepts from now on.
  void serve(Listener listener);

  // One connection that was accepted elsewhere (tests, socket activation).
  void adopt(Socket socket, Peer peer);

  // Ends every connection politely, new ones are welcome: for a rotated token.
  void drop_clients();
  // Cuts the connections of clients whose token is no longer there, whatever they are at.
  void cut_revoked();

  // Polite first (no new connections, requests finish, WebSockets close with 1012), then after
  // `drain` terminal. Returns when the last connection has ended.
  Task<> stop(std::chrono::milliseconds drain);

  size_t n_connections() const { return connections_.size(); }
  const HttpOptions& options() const { return options_; }
  void set_options(HttpOptions options) { options_ = options; }  // connections see it at once

 private:
  friend class Connection;
  struct Route {
    std::map<std::string, HttpHandler, std::less<>> methods;
    WebSocketHandler websocket;
    Access access = Access::owner;
  };

  Task<> accept_from(Listener::Acceptor& acceptor, uint16_t tcp_port);
  Task<> run(Socket socket, Peer peer);
  void turn_away_next(Listener::Acceptor& acceptor);
  const Route* find(const HttpRequest& request) const;

  net::any_io_executor executor_;
  Gate& gate_;
  HttpOptions options_;
  std::map<std::string, Route, std::less<>> routes_;
  Route preflight_;  // of every path
  std::optional<Listener> listener_;
  file::Descriptor reserve_;  // given up for a moment to answer 503 when descriptors run out
  std::list<Connection*> connections_;
  uint64_t next_client_id_ = 1;
  bool is_stopping_ = false;
  TaskGroup acceptors_;
  TaskGroup tasks_;
};

}  // namespace hearth::transport
