// One client: reads a request, has it admitted, runs its handler, answers; again and again until
// either side has enough or a WebSocket takes over. Lives on the loop thread, in one task of the
// server, on that task's frame.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "net/beast_websocket.h"
#include "net/http_server.h"
#include "net/request_parser.h"
#include "net/socket.h"
#include "support/task_group.h"

namespace hearth::transport {

class Connection {
 public:
  Connection(HttpServer& server, Socket socket, Peer peer, uint64_t client_id);

  // Until the connection is over; then nothing of it is left running.
  Task<> run();

  // Polite: an idle connection ends now, a request is finished first, a WebSocket gets a goodbye.
  void ask_to_end(uint16_t close_code, const char* reason);
  // Now.
  void cut();
  // Whose token its last request came with; null: the owner's, or none.
  const std::shared_ptr<const ClientToken>& client() const { return client_; }

 private:
  friend class Responder;
  using Clock = std::chrono::steady_clock;
  struct Upgrade {
    const WebSocketHandler& handler;
    HttpRequest request;
  };

  Task<> serve_requests();
  Task<bool> serve_request();  // false: the connection is not to be used again
  Task<std::optional<Refusal>> read_head(RequestParser& parser);
  Task<std::optional<Refusal>> read_body(RequestParser& parser);
  Task<bool> read_more(size_t max_bytes);
  std::optional<Refusal> admit(RequestParser& parser, const HttpServer::Route* route);
  Task<> refuse(Refusal refusal);
  Task<bool> wait_penalty();
  Task<bool> answer(const HttpHandler& handler, RequestParser& parser);
  Task<> watch_for_close();
  Task<> upgrade();
  Task<> linger();

  Task<Result<>> write(std::string bytes);
  Task<> watch_deadline();
  void set_deadline(std::chrono::milliseconds from_now);
  void clear_deadline() { deadline_ = Clock::time_point::max(); }

  HttpServer& server_;
  const HttpOptions& options_;
  Socket socket_;
  const Peer peer_;
  const uint64_t client_id_;
  std::shared_ptr<const ClientToken> client_;
  std::string page_;                // the listed page that the last request came from, or ""
  std::string input_;               // bytes read and not yet understood
  std::optional<Upgrade> upgrade_;  // the last request of this connection
  std::unique_ptr<AcceptedWebSocket> websocket_;

  net::steady_timer timer_;
  Clock::time_point deadline_ = Clock::time_point::max();
  bool is_timed_out_ = false;
  bool is_first_ = true;    // no request has been read yet
  bool is_idle_ = true;     // between requests
  bool is_ending_ = false;  // asked to
  bool is_gone_ = false;    // the peer is, or the socket is closed
  TaskGroup tasks_;
};

}  // namespace hearth::transport
